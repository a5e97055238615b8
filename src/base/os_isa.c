/* SPDX-License-Identifier: Apache-2.0
 *
 * What the processor and the system let us use.
 */
#define _GNU_SOURCE
#include "base/os.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

static int bf16(void)
{
    unsigned a, b, c, d;

    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & 1 << 5;
}

/* Whether tiles may be used: the processor has them with products of 8 bits and of bf16, the system saves them,
 * and grants this process their 8 KB of state. It is asked once more by each context, which changes nothing. */
static int tiles(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    enum {
        TILE = 1 << 24,
        INT8 = 1 << 25,
        BF16 = 1 << 22,
        STATES = 3 << 17,
        REQUEST_PERMISSION = 0x1023,
        DATA = 18
    };
    unsigned a, b, c, d, low, high;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (!(d & TILE) || !(d & INT8) || !(d & BF16)) return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & STATES) != STATES) return 0;
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, DATA) == 0;
#else
    return 0;
#endif
}
#endif

wn_isa wni_os_isa(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    /* Every processor with AVX2 has F16C, for which clang 14 has no name here. */
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return WN_ISA_BASE;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl"))
        return WN_ISA_AVX2;
    if (!__builtin_cpu_supports("avx512vnni")) return WN_ISA_AVX512;
    if (!bf16()) return WN_ISA_VNNI;
    return tiles() ? WN_ISA_AMX : WN_ISA_BF16;
#elif defined(__aarch64__)
    return WN_ISA_NEON; /* every ARM64 processor has it */
#else
    return WN_ISA_BASE;
#endif
}
