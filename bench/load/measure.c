/* What the system says of the measured process and of the processor that it runs on. */
#include "measure.h"
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

/* Nanoseconds on a processor, all threads. */
double cpu_of_process(int pid) {
  char path[300];
  double sum = 0, one;
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *tasks = opendir(path);
  if (tasks == NULL) return 0;
  for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, entry->d_name);
    FILE *file = fopen(path, "r");
    if (file == NULL) continue;
    if (fscanf(file, "%lf", &one) == 1) sum += one;
    fclose(file);
  }
  closedir(tasks);
  return sum;
}

/* Seconds for which cpu 0 was busy, and stolen from this machine. */
void cpu_zero(double *busy, double *stolen) {
  double user, nice, system, idle, io, irq, soft, steal;
  FILE *file = fopen("/proc/stat", "r");
  *busy = *stolen = 0;
  if (file == NULL) return;
  if (fscanf(file, "%*[^\n]\ncpu0 %lf %lf %lf %lf %lf %lf %lf %lf", &user, &nice, &system, &idle, &io, &irq, &soft, &steal) == 8) {
    *busy = (user + nice + system + irq + soft) / sysconf(_SC_CLK_TCK);
    *stolen = steal / sysconf(_SC_CLK_TCK);
  }
  fclose(file);
}
