/*
 * Reads files as a training job does, and says how long it took: the one reader for all file systems that are compared.
 *
 *   reader files  DIR LIST PROCESSES SHARE ORDER PASSES   open + read to the end + close of each file of LIST (below DIR)
 *   reader random FILE COUNT BLOCK SPAN SEED              pread of BLOCK bytes within COUNT distinct spans of FILE
 *   reader paced  LIST BLOCK PERIOD_US SECONDS SEED       direct pread of BLOCK bytes at random of each file of LIST, by a
 *                                                         thread each, one every PERIOD_US
 *   reader stuck  LIST SECONDS                            pread of the first bytes of each file of LIST, by a thread each;
 *                                                         waits SECONDS, tells how many were answered, and ends
 *
 * SHARE is "split" (each file by one process) or "each" (every process reads all); ORDER is a seed to shuffle by, or 0 for
 * the order of LIST. Prints one line of JSON.
 *
 * Invariants:
 * 1. All processes exist, have their lists and stand at one barrier before the clock starts; it stops when the last has
 *    read its last byte.
 * 2. The order depends on the seed alone: the same on every machine and every run.
 * 3. An error, or a file that ends early, ends everything with a message and status 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, MAX_PROCESSES = 64 };

static void fail(const char *what) {
  fprintf(stderr, "reader: %s: %s\n", what, errno ? strerror(errno) : "wrong");
  exit(1);
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* xorshift64*: the order must not depend on a C library. */
static uint64_t next_random(uint64_t *state) {
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * 2685821657736338717ULL;
}

static uint64_t seed_of(const char *text) {
  return strtoull(text, NULL, 10) * 0x9E3779B97F4A7C15ULL;
}

/* What the processes share. */
struct shared {
  pthread_barrier_t start;
  struct {
    int64_t begin, end;
    uint64_t files, bytes;
    int64_t slowest;
  } of[MAX_PROCESSES];
};

struct list {
  char **names;
  size_t count;
};

static struct list read_list(const char *path) {
  struct list list = {0};
  FILE *file = fopen(path, "r");
  if (!file) fail(path);
  char *line = NULL;
  size_t size = 0;
  ssize_t length;
  while ((length = getline(&line, &size, file)) > 0) {
    if (line[length - 1] == '\n') line[length - 1] = 0;
    list.names = realloc(list.names, (list.count + 1) * sizeof *list.names);
    if (!list.names || !(list.names[list.count++] = strdup(line))) fail("memory");
  }
  free(line);
  fclose(file);
  if (list.count == 0) fail("an empty list");
  return list;
}

static void shuffle(struct list *list, uint64_t state) {
  for (size_t i = list->count - 1; i > 0; --i) {
    size_t j = next_random(&state) % (i + 1);
    char *kept = list->names[i];
    list->names[i] = list->names[j];
    list->names[j] = kept;
  }
}

static uint64_t read_whole(const char *name, char *buffer) {
  int fd = open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(name);
  uint64_t bytes = 0;
  ssize_t got;
  while ((got = read(fd, buffer, BUFFER)) > 0) bytes += (uint64_t)got;
  if (got < 0) fail(name);
  close(fd);
  return bytes;
}

static void work(struct shared *shared, const struct list *list, int me, int processes, bool each, int passes) {
  char *buffer = aligned_alloc(4096, BUFFER);
  if (!buffer) fail("memory");
  memset(buffer, 0, BUFFER);
  uint64_t files = 0, bytes = 0;
  int64_t slowest = 0;
  pthread_barrier_wait(&shared->start);
  shared->of[me].begin = now();
  for (int pass = 0; pass < passes; ++pass) {
    for (size_t i = each ? 0 : (size_t)me; i < list->count; i += each ? 1 : (size_t)processes) {
      int64_t before = now();
      bytes += read_whole(list->names[i], buffer);
      int64_t took = now() - before;
      if (took > slowest) slowest = took;
      ++files;
    }
  }
  shared->of[me].end = now();
  shared->of[me].files = files;
  shared->of[me].bytes = bytes;
  shared->of[me].slowest = slowest;
  free(buffer);
}

static int run_files(char **args) {
  struct list list = read_list(args[1]);
  int processes = atoi(args[2]);
  bool each = strcmp(args[3], "each") == 0;
  int passes = atoi(args[5]);
  if (processes < 1 || processes > MAX_PROCESSES || passes < 1) fail("PROCESSES or PASSES");
  if (strcmp(args[4], "0") != 0) shuffle(&list, seed_of(args[4]));
  if (chdir(args[0]) != 0) fail(args[0]);
  struct shared *shared =
      mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) fail("mmap");
  pthread_barrierattr_t attr;
  pthread_barrierattr_init(&attr);
  pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&shared->start, &attr, (unsigned)processes);
  for (int me = 0; me < processes; ++me) {
    pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      work(shared, &list, me, processes, each, passes);
      _exit(0);
    }
  }
  for (int left = processes; left > 0; --left) {
    int status;
    if (wait(&status) < 0) fail("wait");
    /* The others may stand at the barrier for ever; they end with this process. */
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return 1;
  }
  int64_t begin = INT64_MAX, end = 0, slowest = 0;
  uint64_t files = 0, bytes = 0;
  for (int me = 0; me < processes; ++me) {
    if (shared->of[me].begin < begin) begin = shared->of[me].begin;
    if (shared->of[me].end > end) end = shared->of[me].end;
    if (shared->of[me].slowest > slowest) slowest = shared->of[me].slowest;
    files += shared->of[me].files;
    bytes += shared->of[me].bytes;
  }
  printf("{\"files\":%llu,\"bytes\":%llu,\"seconds\":%.6f,\"slowestMs\":%.3f}\n", (unsigned long long)files,
         (unsigned long long)bytes, (double)(end - begin) / 1e9, (double)slowest / 1e6);
  return 0;
}

static int by_value(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static int run_random(char **args) {
  size_t count = strtoull(args[1], NULL, 10), block = strtoull(args[2], NULL, 10), span = strtoull(args[3], NULL, 10);
  uint64_t state = seed_of(args[4]);
  int fd = open(args[0], O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) fail(args[0]);
  size_t spans = (size_t)status.st_size / span;
  /* The first span is left out: a read at the start of a file looks sequential to the kernel. */
  if (block == 0 || block > span || spans < 2 || count == 0 || count > spans - 1) fail("COUNT, BLOCK or SPAN");
  size_t *order = malloc((spans - 1) * sizeof *order);
  int64_t *took = malloc(count * sizeof *took);
  char *buffer = aligned_alloc(4096, (block + 4095) / 4096 * 4096);
  if (!order || !took || !buffer) fail("memory");
  for (size_t i = 0; i < spans - 1; ++i) order[i] = i + 1;
  int64_t begin = now();
  for (size_t i = 0; i < count; ++i) {
    size_t j = i + next_random(&state) % (spans - 1 - i);
    size_t chosen = order[j];
    order[j] = order[i];
    off_t offset = (off_t)(chosen * span + next_random(&state) % (span / block) * block);
    int64_t before = now();
    if (pread(fd, buffer, block, offset) != (ssize_t)block) fail(args[0]);
    took[i] = now() - before;
  }
  int64_t end = now();
  qsort(took, count, sizeof *took, by_value);
  printf("{\"reads\":%zu,\"seconds\":%.6f,\"p50us\":%.3f,\"p90us\":%.3f,\"maxus\":%.3f}\n", count,
         (double)(end - begin) / 1e9, (double)took[count / 2] / 1e3, (double)took[count * 9 / 10] / 1e3,
         (double)took[count - 1] / 1e3);
  return 0;
}

/* One thread of `paced`. */
struct paced {
  pthread_t thread;
  const char *name;
  size_t block, reads;
  int64_t period, until;
  uint64_t state;
  int64_t *took;
};

static void *run_one_paced(void *arg) {
  struct paced *one = arg;
  int fd = open(one->name, O_RDONLY | O_CLOEXEC | O_DIRECT);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) fail(one->name);
  size_t blocks = (size_t)status.st_size / one->block;
  char *buffer = aligned_alloc(4096, one->block);
  if (!buffer || blocks == 0) fail(one->name);
  /* Threads do not start in step. */
  int64_t due = now() + (int64_t)(next_random(&one->state) % (uint64_t)one->period);
  for (; due < one->until; due += one->period) {
    struct timespec at = {due / 1000000000LL, due % 1000000000LL};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
    off_t offset = (off_t)(next_random(&one->state) % blocks * one->block);
    int64_t before = now();
    if (pread(fd, buffer, one->block, offset) != (ssize_t)one->block) fail(one->name);
    one->took[one->reads++] = now() - before;
  }
  free(buffer);
  close(fd);
  return NULL;
}

static int run_paced(char **args) {
  struct list list = read_list(args[0]);
  int64_t period = atoll(args[2]) * 1000, seconds = atoll(args[3]);
  size_t block = strtoull(args[1], NULL, 10), most = (size_t)(seconds * 1000000000LL / period) + 2;
  if (block == 0 || period <= 0 || seconds <= 0) fail("BLOCK, PERIOD_US or SECONDS");
  struct paced *all = calloc(list.count, sizeof *all);
  int64_t *took = malloc(list.count * most * sizeof *took);
  if (!all || !took) fail("memory");
  int64_t until = now() + seconds * 1000000000LL;
  for (size_t i = 0; i < list.count; ++i) {
    all[i] = (struct paced){.name = list.names[i], .block = block, .period = period, .until = until,
                            .state = seed_of(args[4]) + i * 0x9E3779B97F4A7C15ULL + 1, .took = took + i * most};
    if (pthread_create(&all[i].thread, NULL, run_one_paced, &all[i]) != 0) fail("pthread_create");
  }
  size_t reads = 0;
  for (size_t i = 0; i < list.count; ++i) {
    pthread_join(all[i].thread, NULL);
    memmove(took + reads, all[i].took, all[i].reads * sizeof *took);
    reads += all[i].reads;
  }
  qsort(took, reads, sizeof *took, by_value);
  printf("{\"reads\":%zu,\"p50us\":%.3f,\"p99us\":%.3f,\"p999us\":%.3f,\"maxus\":%.3f}\n", reads,
         (double)took[reads / 2] / 1e3, (double)took[reads * 99 / 100] / 1e3, (double)took[reads * 999 / 1000] / 1e3,
         (double)took[reads - 1] / 1e3);
  return 0;
}

/* Reads of `stuck` that have come back, with bytes or an error. */
static size_t answered;

static void *run_one_stuck(void *arg) {
  char *bytes = aligned_alloc(4096, 4096);
  int fd = open(arg, O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (!bytes || fd < 0 || pread(fd, bytes, 4096, 0) < 0) fprintf(stderr, "reader: %s: %s\n", (char *)arg, strerror(errno));
  __atomic_fetch_add(&answered, 1, __ATOMIC_RELAXED);
  return NULL;
}

static int run_stuck(char **args) {
  struct list list = read_list(args[0]);
  for (size_t i = 0; i < list.count; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_one_stuck, list.names[i]) != 0) fail("pthread_create");
  }
  sleep((unsigned)atoi(args[1]));
  printf("{\"answered\":%zu}\n", __atomic_load_n(&answered, __ATOMIC_RELAXED));
  fflush(stdout);
  _exit(0);
}

int main(int argc, char **argv) {
  if (argc == 8 && strcmp(argv[1], "files") == 0) return run_files(argv + 2);
  if (argc == 7 && strcmp(argv[1], "random") == 0) return run_random(argv + 2);
  if (argc == 7 && strcmp(argv[1], "paced") == 0) return run_paced(argv + 2);
  if (argc == 4 && strcmp(argv[1], "stuck") == 0) return run_stuck(argv + 2);
  fprintf(stderr, "usage: reader files DIR LIST PROCESSES split|each SEED|0 PASSES\n"
                  "       reader random FILE COUNT BLOCK SPAN SEED\n"
                  "       reader paced LIST BLOCK PERIOD_US SECONDS SEED\n"
                  "       reader stuck LIST SECONDS\n");
  return 2;
}
