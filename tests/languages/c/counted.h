/* Replaces the allocator of what is compiled with it by the test's. */
#ifndef COUNTED_H_
#define COUNTED_H_

#include <stdlib.h>

void *counted_malloc(size_t size);
void counted_free(void *block);

#define malloc counted_malloc
#define free counted_free

#endif
