/*
 * The servers behind the proxies of bench/load, until they are killed: serve answer|echo|sink PORT
 * `answer` gives 1 KiB for each request; `echo` says back what it hears, also behind an Upgrade; `sink` only reads.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { SHARED = 262144 };
static char shared[SHARED];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static const char SWITCHED[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\nDate: Tue, 24 Nov 2026 09:00:00 GMT\r\nCache-Control: no-cache\r\nX-Internal: 1\r\n\r\n";

int main(int count, char **args) {
  if (count < 3) return 2;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(args[2])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct epoll_event events[256], event = {.events = EPOLLIN};
  int one = 1, listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), answers = strcmp(args[1], "answer") == 0, echoes = strcmp(args[1], "echo") == 0, epoll_fd = epoll_create1(0);
  char *answer = malloc(sizeof ANSWER + 1024);
  int answer_length = sizeof ANSWER - 1 + 1024;
  memcpy(answer, ANSWER, sizeof ANSWER - 1);
  memset(answer + sizeof ANSWER - 1, 'x', 1024);
  signal(SIGPIPE, SIG_IGN);
  /* Nobody outlives who started it. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listening, (struct sockaddr *)&at, sizeof at) < 0 || listen(listening, 1024) < 0) die("listen");
  event.data.fd = listening;
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listening, &event);
  for (;;) {
    int n = epoll_wait(epoll_fd, events, 256, -1);
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;
      if (fd == listening) {
        int accepted = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
        if (accepted < 0) continue;
        setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        event.data.fd = accepted;
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, accepted, &event);
        continue;
      }
      long got = read(fd, shared, SHARED);
      if (got == 0 || (got < 0 && errno != EAGAIN)) {
        close(fd);
        continue;
      }
      if (got < 0) continue;
      /* Requests are small and come whole: each ends where a read does. */
      if (answers && memcmp(shared + got - 4, "\r\n\r\n", 4) == 0) {
        if (write(fd, answer, answer_length) < 0) close(fd);
      } else if (!answers && got > 4 && memcmp(shared, "GET ", 4) == 0) {
        if (write(fd, SWITCHED, sizeof SWITCHED - 1) < 0) close(fd);
      } else if (!answers && echoes && write(fd, shared, got) < 0 && errno != EAGAIN)
        close(fd);
    }
  }
}
