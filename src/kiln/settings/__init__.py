"""Settings are Ansible variables: kiln checks the files, asks Ansible for values, and types them."""
