#!/bin/sh
# From a clone to a model that answers:
#
#   ./installers/quickstart.sh [--wheels DIR] [options of `appliance up`]
#
#   --wheels DIR   install from a directory of wheels, for machines without a package index
#   --yes          ask nothing; end with the URL, the key and one line to try
#   --model ID     … and whatever else `appliance up --help` names
#
# In a terminal it ends in the screen of `appliance`. Running it again is safe and quick.
set -eu
came_from=$PWD
cd "$(dirname "$0")/.."

wheels=
yes=
count=$#
while [ "$count" -gt 0 ]; do
    argument=$1
    shift
    count=$((count - 1))
    case $argument in
    -h | --help)
        sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "installers/$(basename "$0")"
        exit 0
        ;;
    --wheels)
        if [ "$count" -eq 0 ]; then
            echo "error: --wheels names no directory" >&2
            echo "hint: ./installers/quickstart.sh --wheels DIR" >&2
            exit 2
        fi
        wheels=$1
        shift
        count=$((count - 1))
        ;;
    --wheels=*) wheels=${argument#--wheels=} ;;
    *)
        [ "$argument" != --yes ] || yes=1
        set -- "$@" "$argument"
        ;;
    esac
done

case $wheels in
"" | /*) ;;
*) wheels=$came_from/$wheels ;;
esac

. installers/python.sh
"$PYTHON" installers/environment.py runtime --link ${wheels:+--wheels "$wheels"}
if [ -n "$wheels" ]; then # the program fetches what it needs of an index from there, too
    PIP_NO_INDEX=1
    PIP_FIND_LINKS=$("$PYTHON" -c 'import pathlib, sys; print(pathlib.Path(sys.argv[1]).resolve().as_uri())' "$wheels")
    export PIP_NO_INDEX PIP_FIND_LINKS
fi

if [ -n "$yes" ]; then
    exec .venv/bin/appliance up "$@"
elif [ -t 0 ] && [ -t 1 ]; then
    .venv/bin/appliance up "$@"
    exec .venv/bin/appliance
else
    exec .venv/bin/appliance up --yes "$@"
fi
