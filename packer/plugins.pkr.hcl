# For Packer 1.7 and later: `packer init packer/plugins.pkr.hcl`. Packer 1.6 has both inside, and does not know this block.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = "~> 1.3"
    }
    ansible = {
      source  = "github.com/hashicorp/ansible"
      version = "~> 1.1"
    }
  }
}
