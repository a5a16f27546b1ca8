/* Finding a collector by ZRE. */
#ifndef DISCOVER_H_
#define DISCOVER_H_

#include <stdbool.h>
#include <stddef.h>

/**
 * Take part in ZRE on an interface ("*" for all), on this UDP port, until a peer says that it is a collector; write the
 * endpoint of its live link into `endpoint`. False when that is impossible.
 */
bool discover(void *context, const char *interface, int port, char *endpoint, size_t size);

#endif
