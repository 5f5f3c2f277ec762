#!/bin/sh
# man.sh GANTRY - the manual page gantry(1), from what the program says of itself, so that the two cannot drift apart.
set -eu
g=$1
version=$("$g" --version | sed 's/^gantry \([^,]*\),.*/\1/')
text() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^\([.']\)/\\\\\&\1/"; }
printf '.TH GANTRY 1 "" "gantry %s" "User Commands"\n.SH NAME\ngantry \\- GAN experiments as grids: plugins describe, the host compiles\n' "$version"
printf '.SH SYNOPSIS\n.B gantry\n.I COMMAND\n[\\fIWORD\\fR]... [\\fIOPTION\\fR]...\n'
printf '.SH DESCRIPTION\nAn experiment is a JSON file: settings, axes to vary, seeds. Gantry trains every cell and seed, writes losses, metrics and samples into one SQLite file\n'
printf 'below \\fB\\-\\-out\\fR (default \\fB$GANTRY_OUT\\fR or \\fBgantry\\-out\\fR), and says which factor mattered.\n.SH COMMANDS\n'
for c in $("$g" help | sed -n 's/^  gantry \([a-z]*\).*/\1/p'); do
  printf '.SS "gantry %s"\n' "$c"
  "$g" help | sed -n "s/^  gantry $c  *//p" | text
  printf '.PP\n'
  "$g" "$c" --help | sed -n '1s/^usage: //p' | text | sed 's/.*/.B &/'
  "$g" "$c" --help | sed 1d | while IFS= read -r line; do
    printf '.TP\n.B %s\n%s\n' "$(echo "$line" | cut -c3-30 | sed 's/ *$//' | text)" "$(echo "$line" | cut -c32- | text)"
  done
done
cat <<'E2'
.SH "EXIT STATUS"
0 where all went well, 1 where a run failed, 64 for a mistake in a command or an experiment, 70 for a fault of a plugin or of gantry, 71 where memory or disk ran
out, 75 where a signal stopped it and the same command goes on.
.SH ENVIRONMENT
.TP
.B GANTRY_OUT
the folder of results where \-\-out is not given
.TP
.B GANTRY_PLUGIN_PATH
folders of plugins, separated by colons, before gantry's own
.SH FILES
.TP
.I DIR/gantry.db
every run, metric and sample below \-\-out DIR; see gantry query
.TP
.I PREFIX/share/gantry
templates and plugin.mk for plugins of one's own; pkg\-config gantry
E2
