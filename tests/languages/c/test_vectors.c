/* Runs the vectors, a line of three columns each: name, question to a driver of `zlog conform`, and what it has to answer. */
#define DRIVER_WITHOUT_MAIN
#include "conformance_driver.c" /* NOLINT: its parts are what answers */

/** Cut a line at its next tab: what comes before it. */
static char *column(char **line)
{
    char *start = *line;
    char *end = strchr(start, '\t');
    if (end == NULL) {
        *line = start + strlen(start);
    } else {
        *end = '\0';
        *line = end + 1;
    }
    return start;
}

/** Whether a driver answers a case as it has to. The encoding at the end of its answer it checks itself. */
static bool passes(Answer *answer, char *line)
{
    const char *name = column(&line);
    char *question = column(&line);
    size_t size = strlen(line);
    bool passed;
    answer->size = 0;
    reply(answer, question);
    passed = strncmp(answer->text, line, size) == 0 && (answer->size == size || line[0] == 'o');
    if (!passed) {
        (void)fprintf(stderr, "%s\n  wanted %s\n  said   %s\n", name, line, answer->text);
    }
    return passed;
}

int main(int argc, char **argv)
{
    Answer line = {NULL, 0, 0};
    Answer answer = {NULL, 0, 0};
    int count = 0;
    int failed = 0;
    int c;
    FILE *vectors = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (vectors == NULL) {
        (void)fputs("usage: test_vectors FILE\n", stderr);
        return 2;
    }
    while ((c = fgetc(vectors)) != EOF) {
        char letter = (char)c;
        if (letter != '\n') {
            add(&line, &letter, 1);
            continue;
        }
        failed += passes(&answer, line.text) ? 0 : 1;
        count++;
        line.size = 0;
        free_all();
    }
    (void)fclose(vectors);
    free(line.text);
    free(answer.text);
    (void)printf("%d vectors, %d failures\n", count, failed);
    return failed == 0 && count > 0 ? 0 : 1;
}
