// SPDX-License-Identifier: BSD-2-Clause
// bulkhead-config: checks a system.yaml and compiles it. See docs/man/bulkhead-config.1.
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

static const char usage[] =
    "usage: bulkhead-config [options] FILE\n"
    "Checks the configuration FILE (see system.yaml(5)) and compiles it for the target.\n"
    "\n"
    "  -o, --output FILE   write the system archive (cpio): device tree, servers, guest images\n"
    "      --dtb FILE      write the device tree alone (dtc -I dtb -O dts FILE prints it)\n"
    "      --build DIR     where console.elf, vmm.elf and build: files are (default: build)\n"
    "      --check         only check; what the build makes need not exist yet\n"
    "      --json          errors as JSON lines\n"
    "      --graph         print who can reach whom\n"
    "      --programs      print the vmms with devices that it needs, for the build\n"
    "      --machine       print the machine: name=... memory=MIB cpus=N options=...\n"
    "      --help, --version\n"
    "\n"
    "Exit status: 0 good, 1 errors in FILE or an output that cannot be written, 2 wrong usage.\n";

struct options {
    const char *output, *dtb;
    bool json, graph, machine, programs;
};

// At most one byte more than a configuration may have, so that the size is reported by its check.
static char *read_file(struct config *config, size_t *length)
{
    char *text = config_alloc(config, CONFIG_MAX_BYTES + 1);
    FILE *file = fopen(config->file, "rb");

    if (file)
        *length = fread(text, 1, CONFIG_MAX_BYTES + 1, file);
    if (!file || ferror(file)) {
        report(config, NULL, "cannot be read: %s", strerror(errno));
        text = NULL;
    }
    if (file)
        fclose(file);
    return text;
}

static bool write_dtb(const char *path, const void *dtb, size_t size)
{
    FILE *file = fopen(path, "wb");
    bool good = file && fwrite(dtb, 1, size, file) == size;

    if (file && fclose(file))
        good = false;
    if (!good)
        fprintf(stderr, "bulkhead-config: %s cannot be written: %s\n", path, strerror(errno));
    return good;
}

static bool run(struct config *config, const struct options *options)
{
    size_t length = 0, dtb_size = 0;
    const void *dtb = NULL;
    const char *text = read_file(config, &length);

    if (text)
        config_read(config, text, length, true);
    if (!config->error_count)
        dtb = dtb_write(config, &dtb_size);
    if (config->error_count) {
        print_errors(config, options->json ? stdout : stderr, options->json);
        return false;
    }
    if (options->graph)
        graph_print(&config->system, stdout);
    if (options->programs)
        files_print_programs(config, stdout);
    if (options->machine) {
        printf("name=%s memory=%llu cpus=%u options=", config->system.name,
               (unsigned long long)(config->system.memory / MIB), config->system.cpus);
        for (unsigned i = 0; i < config->system.accept_count; i++)
            printf("%saccept=%s", i ? " " : "", config->system.accept[i]);
        printf("\n");
    }
    if (options->dtb && !write_dtb(options->dtb, dtb, dtb_size))
        return false;
    return !options->output || archive_write(config, dtb, dtb_size, options->output);
}

int main(int argc, char **argv)
{
    enum { DTB = 256, BUILD, CHECK, JSON, GRAPH, MACHINE, PROGRAMS, HELP, VERSION };
    static const struct option long_options[] = {
        {"output", required_argument, NULL, 'o'},
        {"dtb", required_argument, NULL, DTB},
        {"build", required_argument, NULL, BUILD},
        {"check", no_argument, NULL, CHECK},
        {"json", no_argument, NULL, JSON},
        {"programs", no_argument, NULL, PROGRAMS},
        {"graph", no_argument, NULL, GRAPH},
        {"machine", no_argument, NULL, MACHINE},
        {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},
        {0},
    };
    struct config config = {.build = "build"};
    struct options options = {0};
    int option;

    while ((option = getopt_long(argc, argv, "o:h", long_options, NULL)) != -1) {
        switch (option) {
        case 'o':
            options.output = optarg;
            break;
        case DTB:
            options.dtb = optarg;
            break;
        case BUILD:
            config.build = optarg;
            break;
        case CHECK:
            config.check_only = true;
            break;
        case JSON:
            options.json = true;
            break;
        case GRAPH:
            options.graph = true;
            break;
        case PROGRAMS:
            options.programs = true;
            config.check_only = true;
            break;
        case MACHINE:
            options.machine = true;
            config.check_only = true;
            break;
        case 'h':
        case HELP:
            fputs(usage, stdout);
            return 0;
        case VERSION:
            puts("bulkhead-config 0.1");
            return 0;
        default:
            fputs("Try: bulkhead-config --help\n", stderr);
            return 2;
        }
    }
    if (optind != argc - 1 || (config.check_only && (options.output || options.dtb))) {
        fputs(usage, stderr);
        return 2;
    }
    config.file = argv[optind];
    bool good = run(&config, &options);
    config_free(&config);
    return good ? 0 : 1;
}
