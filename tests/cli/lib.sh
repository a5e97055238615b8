# Checks that the tests share. Each test file sources this and gets an empty folder to work in.
IN=$SCRATCH/in
WORK=$(mktemp -d "$SCRATCH/work.XXXXXX")
cd "$WORK" || exit 1

# ok NAME / fail NAME [TEXT]: one line each.
ok() {
    echo "ok   $1"
}
fail() {
    echo "FAIL $1${2:+: $2}"
}

# check NAME COMMAND...: passes when the command succeeds.
check() {
    check_name=$1
    shift
    if "$@" > "$WORK/.out" 2> "$WORK/.err"; then
        ok "$check_name"
    else
        fail "$check_name" "exit $?, $(head -c 300 "$WORK/.err" | tr '\n' ' ')"
    fi
}

# same NAME A B: the same bytes.
same() {
    if cmp -s "$2" "$3"; then ok "$1"; else fail "$1" "$2 and $3 differ"; fi
}

# has NAME FILE TEXT: the file holds the text.
has() {
    if grep -qF -e "$3" "$2"; then
        ok "$1"
    else
        fail "$1" "'$3' not in: $(head -c 300 "$2" | tr '\n' ' ')"
    fi
}

# bad NAME CODE TEXT ARGUMENTS...: winnow fails with this exit code, says one line that holds the text,
# prints nothing, and leaves the folder as it was.
bad() {
    bad_name=$1 bad_code=$2 bad_text=$3
    shift 3
    before=$(ls -lA --time-style=full-iso "$WORK")
    "$WINNOW" "$@" > "$SCRATCH/bad.out" 2> "$SCRATCH/bad.err" < /dev/null
    found=$?
    line=$(head -c 400 "$SCRATCH/bad.err" | tr '\n' ' ')
    if [ $found -ne "$bad_code" ]; then
        fail "$bad_name" "exit $found, expected $bad_code: $line"
    elif [ "$(wc -l < "$SCRATCH/bad.err")" -ne 1 ]; then
        fail "$bad_name" "expected one line on stderr: $line"
    elif ! grep -q '^winnow: ' "$SCRATCH/bad.err"; then
        fail "$bad_name" "the line does not begin with 'winnow: ': $line"
    elif ! grep -qF -e "$bad_text" "$SCRATCH/bad.err"; then
        fail "$bad_name" "'$bad_text' not in: $line"
    elif [ -s "$SCRATCH/bad.out" ]; then
        fail "$bad_name" "something on stdout"
    elif [ "$before" != "$(ls -lA --time-style=full-iso "$WORK")" ]; then
        fail "$bad_name" "something was written: $(ls -A "$WORK" | tr '\n' ' ')"
    else
        ok "$bad_name"
    fi
}

# same_tree NAME A B: the same files with the same bytes; manifest and report tell times and are left out.
same_tree() {
    (cd "$2" && find . -type f ! -name manifest.json ! -name report.html | sort) > "$WORK/.a"
    (cd "$3" && find . -type f ! -name manifest.json ! -name report.html | sort) > "$WORK/.b"
    if ! cmp -s "$WORK/.a" "$WORK/.b" || [ ! -s "$WORK/.a" ]; then
        fail "$1" "other files: $(tr '\n' ' ' < "$WORK/.a") / $(tr '\n' ' ' < "$WORK/.b")"
        return
    fi
    while read -r file; do
        if ! cmp -s "$2/$file" "$3/$file"; then
            fail "$1" "$file differs"
            return
        fi
    done < "$WORK/.a"
    ok "$1"
}
