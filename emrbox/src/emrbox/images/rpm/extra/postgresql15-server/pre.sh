# The user as Amazon Linux has it, but for its numbers, which belong to others in Debian.
getent group postgres >/dev/null || groupadd --system postgres
getent passwd postgres >/dev/null || useradd --system --gid postgres --home-dir /var/lib/pgsql --create-home --shell /bin/bash --password '*' postgres
