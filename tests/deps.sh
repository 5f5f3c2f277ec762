#!/bin/sh
# deps.sh PACKAGE... - installs the missing Debian packages; without root says what to type and stops. Silent when all is there.
missing=
for p in "$@"; do
  case "$(dpkg-query -W -f='${Status}' "$p" 2>/dev/null)" in *"install ok installed"*) ;; *) missing="$missing $p";; esac
done
[ -z "$missing" ] && exit 0
line="apt-get install -y$missing"
if [ "$(id -u)" != 0 ]; then
  echo "Gantry needs these packages; please run:" >&2
  echo "  sudo $line" >&2
  exit 1
fi
echo "installing:$missing"
apt-get update -qq && DEBIAN_FRONTEND=noninteractive $line -qq >/dev/null
