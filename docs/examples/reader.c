/* Prints the samples of a loadline-agent as CSV, and resumes when the connection ends.
 *
 *   cc -std=c99 -Wall -Wextra -o reader reader.c && ./reader 127.0.0.1 1027 [COUNT]
 */
#define _POSIX_C_SOURCE 200809L
#include <locale.h>
#include <math.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 8 * 1024, RUN_BYTES = 64, TIMEOUT_S = 10 };

static char run[RUN_BYTES];
static unsigned long long seq; /* Sequence number of the last row of this run, or 0. */
static int stamped; /* True if the rows of this connection begin with time and seq. */
static long left = -1;

static int connect_to(const char *host, const char *port) {
    struct addrinfo hints = {0}, *found, *at;
    struct timeval timeout = {TIMEOUT_S, 0};
    int fd = -1;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host, port, &hints, &found) != 0) return -1;
    for (at = found; at; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype, at->ai_protocol);
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        if (connect(fd, at->ai_addr, at->ai_addrlen) == 0) break;
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static int send_request(int fd) {
    char text[256];
    int bytes = snprintf(text, sizeof text, "loadline/1 history=10m columns=cpu,mem");
    if (seq) bytes += snprintf(text + bytes, sizeof text - bytes, " resume=%s:%llu", run, seq);
    text[bytes++] = '\n';
    return send(fd, text, bytes, MSG_NOSIGNAL) == bytes;
}

/* Reads the next number of a row. Infinity is invalid. */
static int number(char **at, double *value) {
    char *begin = *at;
    *value = strtod(begin, at);
    return *at != begin && !isinf(*value);
}

static void handle_line(char *line) {
    char *id = strstr(line, " run="), *at = line, *begin;
    double time, cpu, mem;
    unsigned long long row_seq;
    if (strncmp(line, "# error", 7) == 0) {
        fprintf(stderr, "the agent refuses the request\n");
        exit(1);
    }
    if (strncmp(line, "# columns ", 10) == 0) stamped = 1;
    /* The run is the first field. A quoted text with ` run=` can only follow it. */
    if (strncmp(line, "# loadline/1 ", 13) == 0 && id) {
        id += 5;
        id[strcspn(id, " ")] = '\0';
        if (strcmp(id, run) != 0) seq = 0;
        snprintf(run, sizeof run, "%s", id);
    }
    if (line[0] == '#' || !stamped) return; /* Plain rows from before the request. */
    if (!number(&at, &time)) return;
    begin = at;
    row_seq = strtoull(begin, &at, 10);
    if (at == begin || !number(&at, &cpu) || !number(&at, &mem) || *at != '\0') return;
    seq = row_seq;
    printf("%.3f,%llu,%g,%g\n", time, seq, cpu, mem);
    fflush(stdout);
    if (left > 0 && --left == 0) exit(0);
}

static void read_lines(int fd) {
    static char line[LINE_MAX_BYTES + 1];
    size_t length = 0;
    int complete = 1; /* 0 while a line that is too long is skipped. */
    char bytes[4096];
    ssize_t got, i;
    while ((got = recv(fd, bytes, sizeof bytes, 0)) > 0) {
        for (i = 0; i < got; i++) {
            if (bytes[i] == '\n') {
                if (length && line[length - 1] == '\r') length--;
                line[length] = '\0';
                if (complete && length) handle_line(line);
                length = 0, complete = 1;
            } else if (length < LINE_MAX_BYTES) {
                line[length++] = bytes[i];
            } else {
                complete = 0;
            }
        }
    }
}

int main(int argc, char **argv) {
    struct timespec pause = {1, 0};
    setlocale(LC_NUMERIC, "C"); /* With a dot as decimal point. */
    if (argc > 3) left = atol(argv[3]);
    for (;;) {
        int fd = connect_to(argc > 1 ? argv[1] : "127.0.0.1", argc > 2 ? argv[2] : "1027");
        stamped = 0;
        if (fd >= 0 && send_request(fd)) read_lines(fd);
        if (fd >= 0) close(fd);
        nanosleep(&pause, NULL);
    }
}
