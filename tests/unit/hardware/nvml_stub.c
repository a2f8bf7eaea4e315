/* A libnvidia-ml.so.1 that behaves as it is told. The file named by NVML_STUB holds words:
 *
 *   cards N          how many cards the driver counts (default 8)
 *   init_error E     nvmlInit returns E
 *   hang_init        nvmlInit does not return
 *   hang I           every call about card I does not return
 *   crash I          every call about card I ends the process
 *   error I E        every call about card I returns E (15: GPU is lost)
 *   unsupported W    the call whose name ends in W is not supported by any card
 *   gone             every call returns "driver not loaded"
 *
 * A handle is no index: handles are offset and handed out in another order, and every reading
 * belongs to the card, so a caller that mixes them up reads another card's values or an error.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7, NOT_LOADED = 9, LOST = 15 };
enum { FIRST_HANDLE = 0x5000, MOST_CARDS = 64 };

typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } Pci;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory2;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct {
    unsigned field, scope; long long timestamp, latency; unsigned type, result;
    union { double d; int si; unsigned ui; unsigned long ul; unsigned long long ull; } value;
} Field;
typedef struct { unsigned pid; unsigned long long memory; unsigned gi, ci; } Process;
typedef struct { unsigned version; int margin; } Margin;

static int cards, card_of_hang, card_of_crash, card_of_error, error_of_card, all_gone;
static int init_result, hang_init;
static char unsupported[128];

static void hang(void) { for (;;) pause(); }

static void obey(void) {
    cards = 8; card_of_hang = card_of_crash = card_of_error = -1;
    error_of_card = all_gone = init_result = hang_init = 0;
    unsupported[0] = 0;
    const char *path = getenv("NVML_STUB");
    FILE *file = path ? fopen(path, "r") : NULL;
    char word[64];
    while (file && fscanf(file, "%63s", word) == 1) {
        if (!strcmp(word, "cards")) fscanf(file, "%d", &cards);
        else if (!strcmp(word, "init_error")) fscanf(file, "%d", &init_result);
        else if (!strcmp(word, "hang_init")) hang_init = 1;
        else if (!strcmp(word, "hang")) fscanf(file, "%d", &card_of_hang);
        else if (!strcmp(word, "crash")) fscanf(file, "%d", &card_of_crash);
        else if (!strcmp(word, "error")) fscanf(file, "%d %d", &card_of_error, &error_of_card);
        else if (!strcmp(word, "unsupported")) fscanf(file, "%127s", unsupported);
        else if (!strcmp(word, "gone")) all_gone = 1;
    }
    if (file) fclose(file);
}

static uintptr_t handle_of(int card) { return FIRST_HANDLE + 16 * (uintptr_t)(MOST_CARDS - 1 - card); }

static int card_of(const void *handle) {
    for (int card = 0; card < cards && card < MOST_CARDS; card++)
        if (handle_of(card) == (uintptr_t)handle) return card;
    return -1;
}

/* What every call about a card does first; the answer is 0 when the call may go on. */
static int meet(const void *handle, const char *call, int *card) {
    obey();
    if (all_gone) return NOT_LOADED;
    *card = card_of(handle);
    if (*card < 0) return INVALID;
    if (*card == card_of_hang) hang();
    if (*card == card_of_crash) raise(SIGSEGV);
    if (*card == card_of_error) return error_of_card;
    size_t all = strlen(call), tail = strlen(unsupported);
    if (tail && all >= tail && !strcmp(call + all - tail, unsupported)) return NOT_SUPPORTED;
    return OK;
}

#define MEET int card; int refused = meet(handle, __func__, &card); if (refused) return refused

int nvmlInitWithFlags(unsigned flags) {
    obey();
    if (hang_init) hang();
    return all_gone ? NOT_LOADED : init_result;
}
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int error) { return error == LOST ? "GPU is lost" : "an error"; }
int nvmlSystemGetDriverVersion(char *text, unsigned length) { snprintf(text, length, "570.00.01"); return OK; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 12080; return OK; }
int nvmlDeviceGetCount_v2(unsigned *count) { obey(); *count = cards; return all_gone ? NOT_LOADED : OK; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    obey();
    if ((int)index >= cards) return INVALID;
    if ((int)index == card_of_error && error_of_card == LOST) return LOST;
    *handle = (void *)handle_of(index);
    return all_gone ? NOT_LOADED : OK;
}
int nvmlDeviceGetName(void *handle, char *text, unsigned length) { MEET; snprintf(text, length, "NVIDIA Stub %d", card); return OK; }
int nvmlDeviceGetUUID(void *handle, char *text, unsigned length) {
    MEET; snprintf(text, length, "GPU-00000000-0000-0000-0000-0000000000%02d", card); return OK;
}
int nvmlDeviceGetPciInfo_v3(void *handle, Pci *pci) {
    MEET; memset(pci, 0, sizeof *pci); pci->bus = 0x10 + card;
    snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", pci->bus); return OK;
}
int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
    MEET; memory->total = 81559ull << 20; memory->used = (unsigned long long)(500 + card) << 20;
    memory->free = memory->total - memory->used; return OK;
}
int nvmlDeviceGetMemoryInfo_v2(void *handle, Memory2 *memory) {
    MEET; memory->total = 81559ull << 20; memory->reserved = 400ull << 20;
    memory->used = (unsigned long long)(100 + card) << 20; memory->free = memory->total - memory->used; return OK;
}
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) { MEET; *major = 9; *minor = 0; return OK; }
int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *mw) { MEET; *mw = 700000; return OK; }
int nvmlDeviceGetPowerUsage(void *handle, unsigned *mw) { MEET; *mw = 1000 * (70 + card); return OK; }
int nvmlDeviceGetTemperatureThreshold(void *handle, int kind, unsigned *t) { MEET; *t = kind == 0 ? 92 : 89; return OK; }
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *t) { MEET; *t = 30 + card; return OK; }
int nvmlDeviceGetMarginTemperature(void *handle, Margin *m) { MEET; m->margin = 57 - card; return OK; }
int nvmlDeviceGetUtilizationRates(void *handle, Utilization *u) { MEET; u->gpu = card; u->memory = 99; return OK; }
int nvmlDeviceGetClockInfo(void *handle, int kind, unsigned *mhz) { MEET; *mhz = 1900 + card; return OK; }
int nvmlDeviceGetFanSpeed(void *handle, unsigned *percent) { MEET; return NOT_SUPPORTED; }
int nvmlDeviceGetCurrentClocksEventReasons(void *handle, unsigned long long *mask) {
    MEET; *mask = card == 2 ? 0x4 | 0x40 | 0x20 : 0x1; return OK;
}
int nvmlDeviceGetTotalEccErrors(void *handle, int kind, int counter, unsigned long long *count) { MEET; *count = card == 1; return OK; }
int nvmlDeviceGetCurrPcieLinkGeneration(void *handle, unsigned *value) { MEET; *value = 4; return OK; }
int nvmlDeviceGetCurrPcieLinkWidth(void *handle, unsigned *value) { MEET; *value = 8; return OK; }
int nvmlDeviceGetMaxPcieLinkGeneration(void *handle, unsigned *value) { MEET; *value = 5; return OK; }
int nvmlDeviceGetMaxPcieLinkWidth(void *handle, unsigned *value) { MEET; *value = 16; return OK; }
int nvmlDeviceGetMigMode(void *handle, unsigned *now, unsigned *next) { MEET; *now = *next = 0; return OK; }
int nvmlDeviceGetFieldValues(void *handle, int count, Field *fields) {
    MEET;
    for (int i = 0; i < count; i++) { fields[i].result = OK; fields[i].value.ui = 40 + card; }
    return OK;
}
int nvmlDeviceGetNvLinkState(void *handle, unsigned link, unsigned *active) {
    MEET; if (link > 1) return INVALID; *active = link == 0; return OK;
}
int nvmlDeviceGetNvLinkRemotePciInfo_v2(void *handle, unsigned link, Pci *pci) {
    MEET; memset(pci, 0, sizeof *pci); snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", 0x10 + (card ^ 1)); return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, Process *found) {
    MEET;
    if (card) { *count = 0; return OK; }
    if (*count < 1 || !found) { *count = 1; return INSUFFICIENT_SIZE; }
    *count = 1; found->pid = getppid(); found->memory = 123ull << 20; return OK;
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned *count, Process *found) { MEET; *count = 0; return OK; }
