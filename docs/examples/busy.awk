# Says when the CPU begins and ends to be busy, from a stream with times and names:
#
#   loadline 127.0.0.1:1027 -o raw -c cpu | awk -v limit=80 -f busy.awk
#
# The columns are found by their names, so it does not matter which others there are.

BEGIN { if (limit == "") limit = 80 }

$1 == "#" && $2 == "columns" {
    for (i = 3; i <= NF; i++) {
        split($i, name, ":")
        column[name[1]] = i - 2
    }
}

/^#/ || NF == 0 || !("cpu" in column) { next }

# A missing value says nothing about how busy it is.
$column["cpu"] == "nan" { next }

($column["cpu"] + 0 >= limit + 0) != busy {
    busy = !busy
    print $column["time"], (busy ? "busy" : "quiet"), $column["cpu"]
    fflush()
}
