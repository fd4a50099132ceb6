/*
 * The servers behind the proxies of bench/load: `answer` gives 1 KiB for each request; `echo` says back what it hears,
 * also behind an Upgrade; `sink` only reads.
 */
#define _GNU_SOURCE
#include "serve.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { SHARED = 262144, ANSWER_BYTES = 1024 };
static char shared[SHARED], *answer;
static int answers, echoes, answer_length, listening, set;

static const char SWITCHED[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\nDate: Tue, 24 Nov 2026 09:00:00 GMT\r\nCache-Control: no-cache\r\nX-Internal: 1\r\n\r\n";


int serve_open(const char *kind, int port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1;
  answers = strcmp(kind, "answer") == 0, echoes = strcmp(kind, "echo") == 0;
  answer_length = sizeof ANSWER - 1 + ANSWER_BYTES;
  answer = malloc(answer_length);
  memset(answer, 'x', answer_length);
  memcpy(answer, ANSWER, sizeof ANSWER - 1);
  listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  set = epoll_create1(0);
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listening, (struct sockaddr *)&at, sizeof at) < 0 || listen(listening, 1024) < 0) {
    perror("listen");
    exit(1);
  }
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listening};
  epoll_ctl(set, EPOLL_CTL_ADD, listening, &event);
  return set;
}

static void take_connection(void) {
  int one = 1, accepted = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
  if (accepted < 0) return;
  struct epoll_event event = {.events = EPOLLIN, .data.fd = accepted};
  setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  epoll_ctl(set, EPOLL_CTL_ADD, accepted, &event);
}

static void hear(int fd) {
  long got = read(fd, shared, SHARED), said = 0;
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    close(fd);
    return;
  }
  /* Requests are small and come whole: each ends where a read does. */
  if (answers && got >= 4 && memcmp(shared + got - 4, "\r\n\r\n", 4) == 0) said = write(fd, answer, answer_length);
  else if (!answers && got > 4 && memcmp(shared, "GET ", 4) == 0) said = write(fd, SWITCHED, sizeof SWITCHED - 1);
  else if (echoes) said = write(fd, shared, got);
  if (said < 0 && errno != EAGAIN) close(fd);
}

void serve_events(int wait_ms) {
  struct epoll_event events[256];
  int n = epoll_wait(set, events, 256, wait_ms);
  for (int i = 0; i < n; i++)
    if (events[i].data.fd == listening) take_connection();
    else hear(events[i].data.fd);
}
