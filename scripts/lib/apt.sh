# Debian packages: only what is missing is installed, and apt's lists are fetched only if something is.
# shellcheck shell=bash

# missing_packages NAME...: prints those that are not installed.
missing_packages() {
  local installed name
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | awk '$1 == "installed" {print $2}' || true)
  for name in "$@"; do
    grep -qxF -- "$name" <<<"$installed" || printf '%s\n' "$name"
  done
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Use-Pty=0 -o APT::Get::Show-Upgraded=0 "$@"; }

apt_update() {
  say "apt: fetching the package lists"
  apt_get update >/dev/null
}

# apt_install NAME...: a first failure may come of package lists that are too old.
apt_install() {
  say "apt: installing $*"
  if ! compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null; then
    apt_update
  fi
  apt_get install --no-install-recommends "$@" && return
  apt_update
  apt_get install --no-install-recommends "$@"
}

debian_codename() { (. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}"); }

apt_sources() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    if [[ -f $file ]]; then printf '%s\n' "$file"; fi
  done
}

# backports_source CODENAME: prints what to add for CODENAME-backports: the first source of CODENAME on this machine,
# with its URI, its options and its key, in the same form. First a line that names the form: list or sources.
backports_source() {
  local file found
  while IFS= read -r file; do
    if [[ $file == *.sources ]]; then
      # Paragraph by paragraph; comments are dropped, since they may be about the suite that is replaced.
      found=$(grep -v '^#' "$file" | awk -v suite="$1" '
        BEGIN { RS = ""; FS = "\n" }
        {
          is_deb = 0; is_suite = 0; text = ""
          for (i = 1; i <= NF; i++) {
            if ($i ~ /^Types:.*deb([ \t]|$)/) is_deb = 1
            if ($i ~ /^Suites:/) {
              n = split($i, words, /[ \t]+/)
              for (j = 2; j <= n; j++) if (words[j] == suite) is_suite = 1
              text = text "Suites: " suite "-backports\n"
            } else {
              text = text $i "\n"
            }
          }
          if (is_deb && is_suite) { printf "%s", text; exit }
        }')
      if [[ -n $found ]]; then printf 'sources\n%s\n' "$found" && return; fi
    else
      found=$(awk -v suite="$1" '
        $1 == "deb" {
          for (i = 2; i <= NF; i++) if ($i == suite) { $i = suite "-backports"; print; exit }
        }' "$file")
      if [[ -n $found ]]; then printf 'list\n%s\n' "$found" && return; fi
    fi
  done < <(apt_sources)
  return 1
}

# add_backports: makes CODENAME-backports known to apt, unless it is.
add_backports() {
  local codename form text files
  codename=$(debian_codename)
  mapfile -t files < <(apt_sources)
  if ((${#files[@]})) && grep -qE "^[^#]*\b$codename-backports\b" "${files[@]}"; then
    return
  fi
  text=$(backports_source "$codename") || die "no apt source of $codename: cannot add $codename-backports"
  form=${text%%$'\n'*}
  say "apt: adding $codename-backports"
  printf '%s\n' "${text#*$'\n'}" | as_root tee "/etc/apt/sources.list.d/sagamesh-backports.$form" >/dev/null
  apt_update
}

# debian_archive: prints "URI [KEYRING]" of this machine's first source of its own release.
debian_archive() {
  local file found
  while IFS= read -r file; do
    if [[ $file == *.sources ]]; then
      found=$(grep -v '^#' "$file" | awk -v suite="$(debian_codename)" '
        BEGIN { RS = ""; FS = "\n" }
        {
          is_deb = 0; is_suite = 0; uri = ""; keyring = ""
          for (i = 1; i <= NF; i++) {
            n = split($i, words, /[ \t]+/)
            if ($i ~ /^Types:.*deb([ \t]|$)/) is_deb = 1
            if ($i ~ /^URIs:/) uri = words[2]
            if ($i ~ /^Signed-By:/ && words[2] ~ /^\//) keyring = words[2]
            if ($i ~ /^Suites:/) for (j = 2; j <= n; j++) if (words[j] == suite) is_suite = 1
          }
          if (is_deb && is_suite && uri ~ /^(https?|file):/) { print uri, keyring; exit }
        }')
    else
      found=$(awk -v suite="$(debian_codename)" '
        $1 == "deb" {
          uri = ""; keyring = ""
          for (i = 2; i <= NF; i++) {
            if (match($i, /signed-by=\/[^],]+/)) keyring = substr($i, RSTART + 10, RLENGTH - 10)
            if (uri == "" && $i ~ /^(https?|file):/) uri = $i
            if (uri != "" && $i == suite) { print uri, keyring; exit }
          }
        }' "$file")
    fi
    if [[ -n $found ]]; then printf '%s\n' "$found" && return; fi
  done < <(apt_sources)
  return 1
}
