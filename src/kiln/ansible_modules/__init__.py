"""What the Ansible modules do: options in, the same functions as the driver's, results out."""
