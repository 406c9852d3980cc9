/* The Pi's heap of contiguous memory, /dev/dma_heap/linux,cma, for machines whose kernel has none; and a C++ heap of zeroes.
 *
 * Loaded into a process by LD_PRELOAD. A buffer is anonymous memory with a file descriptor: it can be mapped and handed on as
 * one of the Pi's can. While the file $VCAM_DIR/full exists the heap is empty, and an allocation fails as it fails on a Pi.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static const char HEAP[] = "/dev/dma_heap/linux,cma";

/* linux/dma-heap.h and linux/dma-buf.h: the type of the request, and its number */
enum { ALLOCATE = 'H' << 8 | 0, SYNC = 'b' << 8 | 0, SET_NAME = 'b' << 8 | 1 };

struct allocation {
	uint64_t length;
	uint32_t fd, fd_flags;
	uint64_t heap_flags;
};

static int opened(const char *symbol, const char *path, int flags, mode_t mode)
{
	int (*real)(const char *, int, ...);

	if (path && strcmp(path, HEAP) == 0)
		return memfd_create("heap", MFD_CLOEXEC);
	real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, symbol);
	return real(path, flags, mode);
}

#define OPENS(name)                                                  \
	int name(const char *path, int flags, ...)                   \
	{                                                            \
		mode_t mode = 0;                                     \
		if (flags & (O_CREAT | O_TMPFILE)) {                 \
			va_list more;                                \
			va_start(more, flags);                       \
			mode = va_arg(more, mode_t);                 \
			va_end(more);                                \
		}                                                    \
		return opened(#name, path, flags, mode);             \
	}
OPENS(open)
OPENS(open64)

static int empty(void)
{
	const char *folder = getenv("VCAM_DIR");
	char knob[4096];

	if (!folder)
		return 0;
	snprintf(knob, sizeof knob, "%s/full", folder);
	return access(knob, F_OK) == 0;
}

static int allocated(struct allocation *wanted)
{
	int fd;

	if (empty()) {
		errno = ENOMEM;
		return -1;
	}
	fd = memfd_create("buffer", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)wanted->length) < 0)
		return -1;
	wanted->fd = (uint32_t)fd;
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	static int (*real)(int, unsigned long, ...);
	va_list more;
	void *argument;
	int answer;

	va_start(more, request);
	argument = va_arg(more, void *);
	va_end(more);
	if ((request & 0xffff) == ALLOCATE)
		return allocated(argument);
	if (!real)
		real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
	answer = real(fd, request, argument);
	/* Anonymous memory knows neither caches to keep in step nor names. */
	if (answer < 0 && errno == ENOTTY && ((request & 0xffff) == SYNC || (request & 0xffff) == SET_NAME))
		return 0;
	return answer;
}

/* C++'s operator new, with memory of zeroes. The virtual camera of libcamera 0.4 never says how a frame went: its buffers keep what
 * the heap held before, and where that once meant "cancelled" the frame is lost without a word.
 */
void *_Znwm(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	if (!memory)
		abort();
	return memory;
}
