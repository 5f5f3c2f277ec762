# Completion of gantry for fish; see gantry.bash.
function __gantry_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l answers (gantry complete -- $words[2..-1] 2>/dev/null)
    if test "$answers[1]" = ":files"
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $answers
    end
end
complete -c gantry -f -a '(__gantry_complete)'
