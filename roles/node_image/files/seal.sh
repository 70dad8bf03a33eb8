#!/usr/bin/env bash
# seal.sh: on the builder of an image, as root, as the last task. Removes what is the builder's own: keys, identity, logs, caches.
# Every instance makes these anew at its first boot.
set -euo pipefail

# EMR's rule for custom AMIs: the agent is off, EMR starts its own.
if systemctl list-unit-files amazon-ssm-agent.service 2>/dev/null | grep -q amazon-ssm-agent; then
  systemctl disable --now amazon-ssm-agent
fi
if command -v cloud-init >/dev/null; then cloud-init clean --logs; fi
rm -rf /var/lib/cloud/instance /var/lib/cloud/instances /var/lib/cloud/data
dnf -q clean all
rm -f /etc/ssh/ssh_host_*
if [[ -e /etc/machine-id ]]; then : >/etc/machine-id; fi
rm -f /var/lib/dbus/machine-id
for home in /root /home/*; do
  rm -rf "$home/.ssh/authorized_keys" "$home/.bash_history" "$home/.ansible" "$home/.aws" "$home/.cache"
done
find /tmp /var/tmp -mindepth 1 -maxdepth 1 -exec rm -rf {} +
find /var/log -type f -exec truncate --size 0 {} +
sync
