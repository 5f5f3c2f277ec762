# Completion of gantry for bash. What can follow is asked of gantry itself (gantry complete), so new commands, options, runs and plugins need nothing here.
_gantry() {
  local cur=${COMP_WORDS[COMP_CWORD]} IFS=$'\n'
  COMPREPLY=($(gantry complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  case "${COMPREPLY[0]:-}" in
    :files) compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")) ;;
  esac
}
complete -F _gantry gantry
