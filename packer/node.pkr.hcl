# The AMI of a pipeline's nodes: an Amazon Linux image, provisioned by playbooks/image.yml with the role that provisions running nodes.
# Valid for Packer 1.6.6 (Debian 12) and for later ones, which need the plugins of plugins.pkr.hcl. The role node_image writes the
# variables, and gives the builder its tags: `kiln reap` ends an instance whose expires_at has passed.

variable "region" {
  type = string
}

variable "profile" {
  type = string
}

# Empty: AWS's own endpoint.
variable "endpoint_url" {
  type = string
}

variable "name" {
  type = string
}

variable "base_image" {
  type = string
}

variable "instance_type" {
  type = string
}

variable "instance_profile" {
  type = string
}

# Empty: a subnet of the default VPC.
variable "subnet_id" {
  type = string
}

# It lets in SSH from the control host only.
variable "security_group_id" {
  type = string
}

variable "ssh_user" {
  type = string
}

variable "key_pair" {
  type = string
}

# Empty: the key is in the SSH agent.
variable "private_key_file" {
  type = string
}

variable "root_device" {
  type = string
}

variable "volume_gb" {
  type = number
}

variable "builder_tags" {
  type = map(string)
}

variable "image_tags" {
  type = map(string)
}

# Files of the control host: the playbook, its variables, and where the id of the image is written.
variable "playbook" {
  type = string
}

variable "playbook_variables" {
  type = string
}

variable "manifest" {
  type = string
}

source "amazon-ebs" "node" {
  region              = var.region
  profile             = var.profile
  custom_endpoint_ec2 = var.endpoint_url
  # Neither of the two is needed, and a private endpoint has no such region.
  skip_region_validation  = true
  skip_metadata_api_check = true

  ami_name      = var.name
  source_ami    = var.base_image
  instance_type = var.instance_type
  # Fetches packed Python environments as nodes do. There is no other credential on the builder.
  iam_instance_profile = var.instance_profile
  subnet_id            = var.subnet_id
  security_group_id    = var.security_group_id

  communicator         = "ssh"
  ssh_username         = var.ssh_user
  ssh_interface        = "private_ip"
  ssh_keypair_name     = var.key_pair
  ssh_private_key_file = var.private_key_file
  ssh_agent_auth       = var.private_key_file == ""

  # The snapshot of an encrypted volume is encrypted: no unencrypted copy is made on the way. Nothing is shared.
  launch_block_device_mappings {
    device_name           = var.root_device
    volume_size           = var.volume_gb
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    encrypted             = true
    delete_on_termination = true
  }

  run_tags        = var.builder_tags
  run_volume_tags = var.builder_tags
  # Of the image and of its snapshot, in one call: iam/image_baker.json allows it on what has no tags yet (Packer 1.6), or the builder's (1.11).
  tags = var.image_tags
}

build {
  sources = ["source.amazon-ebs.node"]

  provisioner "ansible" {
    playbook_file = var.playbook
    host_alias    = "builder"
    use_proxy     = false
    # The group that playbooks for nodes work on. YAML: ansible.cfg allows no INI inventories.
    inventory_file_template = "emr_target: {hosts: {builder: {ansible_host: '{{ .Host }}', ansible_user: '{{ .User }}', ansible_port: {{ .Port }}, ansible_python_interpreter: /usr/bin/python3}}}\n"
    extra_arguments         = ["--extra-vars", "@${var.playbook_variables}"]
  }

  post-processor "manifest" {
    output = var.manifest
  }
}
