/* A wall clock that a test sets: preloaded into the agent, it shows the right time and the seconds that a file says, and whether a time
 * server has set it. The file is read at every call, so that the clock of a running process can be set; what is monotonic stays as it is.
 *
 * WALL_CLOCK names the file: "<seconds> synced" or "<seconds> adrift". Built by tests/chaos/wall.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define TIMESYNC "/run/systemd/timesync/synchronized"

static long long ahead_s(int *synced)
{
	char text[64] = "", word[16] = "";
	long long seconds = 0;
	int before = errno;
	const char *path = getenv("WALL_CLOCK");
	int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (file >= 0) {
		if (read(file, text, sizeof text - 1) > 0)
			sscanf(text, "%lld %15s", &seconds, word);
		close(file);
	}
	errno = before;
	*synced = strcmp(word, "synced") == 0;
	return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int failed = real(clock, at), synced;
	if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
		at->tv_sec += ahead_s(&synced);
		if (at->tv_sec < 0)
			at->tv_sec = 0;
	}
	return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	int failed = clock_gettime(CLOCK_REALTIME, &now);
	at->tv_sec = now.tv_sec;
	at->tv_usec = now.tv_nsec / 1000;
	return failed;
}

time_t time(time_t *at)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (at)
		*at = now.tv_sec;
	return now.tv_sec;
}

/* Only ever asked, never told: the agent does not set clocks. */
int adjtimex(struct timex *told)
{
	int synced;
	ahead_s(&synced);
	memset(told, 0, sizeof *told);
	told->status = synced ? 0 : STA_UNSYNC;
	return synced ? TIME_OK : TIME_ERROR;
}

/* A machine whose own clock is right must not vouch for this one. */
#define HIDING(name, type)                                                                    \
	int name(const char *restrict path, struct type *restrict found)                      \
	{                                                                                     \
		static int (*real)(const char *, struct type *);                              \
		if (!real)                                                                    \
			real = (int (*)(const char *, struct type *))dlsym(RTLD_NEXT, #name); \
		if (strcmp(path, TIMESYNC) == 0) {                                            \
			errno = ENOENT;                                                       \
			return -1;                                                            \
		}                                                                             \
		return real(path, found);                                                     \
	}
HIDING(stat, stat)
HIDING(stat64, stat64)
