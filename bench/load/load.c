/*
 * The clients of bench/load, as small as can be: load http|paced|new|messages|bulk|idle PORT [options]
 * Prints the result as one line of JSON. CPU time of the measured process is read here, at the very moments when
 * counting begins and ends. `idle` prints it and keeps its connections open until it is killed.
 *
 * With -b KIND -B PORT it is the server behind the proxy, too, and neither ever sleeps but where the pace is kept: a
 * write that wakes somebody costs several times one that doesn't, and who sleeps how often would be measured most.
 * load answer|echo|sink PORT is that server alone, until it is killed.
 */
#define _GNU_SOURCE
#include "measure.h"
#include "serve.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { HEAD = 4096, SHARED = 262144, MOST_US = 1000000 };
typedef struct conn {
  int fd, busy, handshaken, upgraded;
  SSL *ssl;
  int head_length;
  long left; /* of the body; -1: in the head */
  double since;
  char head[HEAD];
} conn;

static const char *mode, *request_file = "", *cert = "", *key = "", *back = "";
static int port, back_port, spins, connections = 32, message = 1024, pid, epoll_fd;
static double seconds = 1, warm_up = 0.3, rate = 2000;
static char request[65536], shared[SHARED], *payload;
static int request_length;
static SSL_CTX *tls;
static uint32_t *times;
static long answered, failed, sent_bytes;
static int counting;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void note_time(double since) {
  long us = (long)((now() - since) * 1e6);
  times[us < MOST_US ? us : MOST_US - 1]++;
}

static double percentile(double share) {
  long total = 0, seen = 0;
  for (int i = 0; i < MOST_US; i++) total += times[i];
  for (int i = 0; i < MOST_US; i++)
    if ((seen += times[i]) >= total * share) return i;
  return 0;
}

static void open_conn(conn *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  c->busy = c->handshaken = c->upgraded = c->head_length = 0;
  c->left = -1;
  c->ssl = NULL;
  if (tls != NULL) {
    c->ssl = SSL_new(tls);
    SSL_set_fd(c->ssl, c->fd);
    SSL_set_tlsext_host_name(c->ssl, "h5.example.com");
    SSL_set_connect_state(c->ssl);
  }
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0) die("epoll");
}

static void close_conn(conn *c) {
  if (c->ssl != NULL) {
    SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
  }
  close(c->fd);
}

static void reopen(conn *c) {
  close_conn(c);
  open_conn(c);
}

static long put(conn *c, const char *bytes, int length) {
  return c->ssl != NULL ? SSL_write(c->ssl, bytes, length) : write(c->fd, bytes, length);
}

/* -1: nothing is there. 0: the end. */
static long take(conn *c) {
  if (c->ssl == NULL) {
    long n = read(c->fd, shared, SHARED);
    return n < 0 && errno != EAGAIN ? 0 : n;
  }
  int n = SSL_read(c->ssl, shared, SHARED);
  if (n > 0) return n;
  int why = SSL_get_error(c->ssl, n);
  return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

static void ask(conn *c, double since) {
  c->busy = 1;
  c->left = -1;
  c->head_length = 0;
  c->since = since;
  if (put(c, request, request_length) != request_length && c->ssl == NULL) failed++;
}

static void say(conn *c) {
  c->busy = 1;
  c->left = message;
  c->since = now();
  if (put(c, payload, message) != message) failed++;
}

/* True: the response is whole. */
static int read_response(conn *c, const char *bytes, long length) {
  if (c->left < 0) {
    long part = length < HEAD - 1 - c->head_length ? length : HEAD - 1 - c->head_length;
    memcpy(c->head + c->head_length, bytes, part);
    c->head_length += part;
    c->head[c->head_length] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (end == NULL) return 0;
    char *declared = strcasestr(c->head, "content-length:");
    int status = atoi(c->head + 9);
    if (status != 200 && status != 101) {
      if (failed++ == 0) fprintf(stderr, "%.*s\n", 200, c->head);
    }
    long body_seen = c->head_length - (end + 4 - c->head) + (length - part);
    c->left = (declared == NULL ? 0 : atol(declared + 15)) - body_seen;
  } else
    c->left -= length;
  return c->left <= 0;
}

static void done(conn *c) {
  answered++;
  if (counting) note_time(c->since);
  c->busy = 0;
}

static int handshake(conn *c) {
  if (c->ssl == NULL || c->handshaken) return 1;
  int n = SSL_do_handshake(c->ssl);
  if (n == 1) return c->handshaken = 1;
  int why = SSL_get_error(c->ssl, n);
  if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
    failed++;
    reopen(c);
    SSL_do_handshake(c->ssl);
  }
  return 0;
}

/* What a free connection does next where nobody keeps the pace. */
static void go_on(conn *c) {
  if (strcmp(mode, "messages") == 0 && (request_length == 0 || c->upgraded)) say(c);
  else if (strcmp(mode, "idle") != 0 || c->head_length == 0) ask(c, now());
}

static void on_readable(conn *c, int paced) {
  if (!handshake(c)) return;
  if (!c->busy && c->ssl != NULL && c->handshaken == 1 && !paced) {
    c->handshaken = 2;
    ask(c, c->since);
  }
  for (;;) {
    long n = take(c);
    if (n < 0) return;
    if (n == 0) {
      if (c->busy) failed++;
      reopen(c);
      if (c->ssl != NULL) SSL_do_handshake(c->ssl);
      else if (!paced) go_on(c);
      return;
    }
    if (!c->busy) continue;
    int whole = strcmp(mode, "messages") == 0 && (request_length == 0 || c->upgraded) ? (c->left -= n) <= 0 : read_response(c, shared, n);
    if (!whole) continue;
    done(c);
    if (strcmp(mode, "new") == 0) {
      reopen(c);
      c->since = now();
      if (c->ssl != NULL) SSL_do_handshake(c->ssl);
      else ask(c, c->since);
      return;
    }
    c->upgraded = 1;
    if (!paced) go_on(c);
    if (c->ssl == NULL) return;
  }
}

static void bulk(conn *all) {
  for (int i = 0; i < connections; i++) {
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = &all[i]};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, all[i].fd, &event);
  }
}

static void on_writable(conn *c) {
  long n = write(c->fd, shared, 65536);
  if (n > 0) sent_bytes += n;
}

static void send_due(conn *all, double begun, long *next) {
  static int last = 0;
  while (begun + *next / rate <= now()) {
    int tried = 0;
    while (tried < connections && all[last].busy) last = (last + 1) % connections, tried++;
    if (all[last].busy) return;
    ask(&all[last], begun + *next / rate);
    last = (last + 1) % connections;
    (*next)++;
  }
}

static int wait_for(struct epoll_event *events, double until) {
  double left = until - now();
  if (left < 0) left = 0;
  if (left > 0.05) left = 0.05;
  if (spins) left = 0;
  struct timespec t = {0, (long)(left * 1e9)};
  return epoll_pwait2(epoll_fd, events, 256, &t, NULL);
}

static void client(void) {
  struct epoll_event events[256];
  int paced = strcmp(mode, "paced") == 0, bulky = strcmp(mode, "bulk") == 0, idle = strcmp(mode, "idle") == 0;
  conn *all = calloc(connections, sizeof *all);
  if (*back != 0) {
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, serve_open(back, back_port), &event);
    spins = !paced;
  }
  for (int i = 0; i < connections; i++) {
    open_conn(&all[i]);
    all[i].since = now();
    if (all[i].ssl != NULL) SSL_do_handshake(all[i].ssl);
    else if (!paced && !bulky) go_on(&all[i]);
    /* A listener's queue is short. */
    if (idle && i % 100 == 99) usleep(20000);
  }
  if (bulky) bulk(all);
  double begun = now(), count_from = begun + warm_up, end = count_from + seconds;
  double cpu = 0, busy = 0, stolen = 0, cpu2, busy2, stolen2;
  long next = 0, answered0 = 0, sent0 = 0;
  while (now() < end) {
    if (!counting && now() >= count_from) {
      counting = 1, cpu = cpu_of_process(pid), answered0 = answered, sent0 = sent_bytes;
      cpu_zero(&busy, &stolen);
      count_from = now();
    }
    if (paced) send_due(all, begun, &next);
    int n = wait_for(events, paced ? begun + next / rate : end);
    for (int i = 0; i < n; i++)
      if (events[i].data.ptr == NULL) serve_events(0);
      else if (bulky) on_writable(events[i].data.ptr);
      else on_readable(events[i].data.ptr, paced);
  }
  cpu2 = cpu_of_process(pid);
  cpu_zero(&busy2, &stolen2);
  printf("{\"answered\":%ld,\"failed\":%ld,\"bytes\":%ld,\"seconds\":%.4f,\"cpuNs\":%.0f,\"busySeconds\":%.3f,\"stolenSeconds\":%.3f,\"p50\":%.0f,\"p99\":%.0f}\n",
         answered - answered0, failed, sent_bytes - sent0, now() - count_from, cpu2 - cpu, busy2 - busy, stolen2 - stolen, percentile(0.5), percentile(0.99));
  fflush(stdout);
  if (idle) pause();
}

int main(int count, char **args) {
  if (count < 3) return 2;
  mode = args[1];
  port = atoi(args[2]);
  for (int i = 3; i + 1 < count; i += 2) {
    const char *value = args[i + 1];
    switch (args[i][1]) {
      case 'c': connections = atoi(value); break;
      case 's': seconds = atof(value); break;
      case 'w': warm_up = atof(value); break;
      case 'r': rate = atof(value); break;
      case 'm': message = atoi(value); break;
      case 'p': pid = atoi(value); break;
      case 'f': request_file = value; break;
      case 'C': cert = value; break;
      case 'K': key = value; break;
      case 'b': back = value; break;
      case 'B': back_port = atoi(value); break;
    }
  }
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  /* Nobody outlives who started it. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  epoll_fd = epoll_create1(0);
  times = calloc(MOST_US, sizeof *times);
  payload = malloc(message + 1);
  memset(payload, 'm', message);
  if (*request_file != 0) {
    FILE *file = fopen(request_file, "r");
    if (file == NULL) die(request_file);
    request_length = fread(request, 1, sizeof request, file);
    fclose(file);
  }
  if (*cert != 0) {
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_use_certificate_chain_file(tls, cert) != 1 || SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) die("certificate");
  }
  if (strcmp(mode, "answer") != 0 && strcmp(mode, "echo") != 0 && strcmp(mode, "sink") != 0) client();
  else
    for (serve_open(mode, port);;) serve_events(-1);
  return 0;
}
