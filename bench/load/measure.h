double cpu_of_process(int pid);
void cpu_zero(double *busy, double *stolen);
