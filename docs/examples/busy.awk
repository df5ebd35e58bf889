# Reports when the CPU becomes busy and idle again, from a stream with timestamps and names:
#
#   loadline 127.0.0.1:1027 -o raw -c cpu | awk -v limit=80 -f busy.awk
#
# Columns are found by name, so the stream may have others.

BEGIN { if (limit == "") limit = 80 }

$1 == "#" && $2 == "columns" {
    for (i = 3; i <= NF; i++) {
        split($i, name, ":")
        column[name[1]] = i - 2
    }
}

/^#/ || NF == 0 || !("cpu" in column) { next }

# The value is not known.
$column["cpu"] == "nan" { next }

($column["cpu"] + 0 >= limit + 0) != busy {
    busy = !busy
    print $column["time"], (busy ? "busy" : "quiet"), $column["cpu"]
    fflush()
}
