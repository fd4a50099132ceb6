/* Opens the port; what is returned is readable when serve_events has something to do. */
int serve_open(const char *kind, int port);
void serve_events(int wait_ms);
