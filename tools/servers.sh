#!/usr/bin/env bash
# servers.sh: install the real servers and tracers that tests marked `server` use, where one is missing.
set -euo pipefail

# program (or file) to look for, Debian package that brings it
needed=(
    "/usr/lib/dovecot/imap dovecot-imapd" "/usr/lib/dovecot/pop3 dovecot-pop3d" "/usr/lib/dovecot/lmtp dovecot-lmtpd"
    "pg_ctlcluster postgresql" "postfix postfix" "swaks swaks" "strace strace"
    "/usr/share/doc/libnet-ssleay-perl libnet-ssleay-perl" # TLS of swaks
    "mkfs.ext4 e2fsprogs" "mkfs.xfs xfsprogs" # file systems that lose power
)
# moto (an object store) pins a python-dateutil that is not ours: a venv of its own.
moto="${CRMSERVICE_SERVERS:-$HOME/.cache/crmservice-servers}/moto"
if [ ! -x "$moto/bin/moto_server" ]; then
    python3 -m venv "$moto" && "$moto/bin/pip" install -q --disable-pip-version-check 'moto[server]==5.2.5' 2>/dev/null ||
        echo "servers: no object store could be installed; its tests are skipped" >&2
fi
missing=()
for pair in "${needed[@]}"; do
    read -r program package <<<"$pair"
    [ -e "$program" ] || PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || { echo "servers: all there"; exit 0; }
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "servers: missing: ${missing[*]}. Tests that need them are skipped. On Debian, as root: make servers" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# The packages must not start services: each test starts its own server on its own port.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
# Postfix asks what kind of mail server the machine is: none, the tests bring a configuration of their own.
echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "servers: installed ${missing[*]}"
