/* floor PROGRAM [ARGUMENT...]: runs a program as if the kernel were Linux 3.10.
 *
 * Every system call that came later is answered with ENOSYS, as that kernel would.
 * Numbers are given in the order of arrival, and sched_setattr (3.14) was the first
 * after 3.10 on each architecture; so it needs one comparison, which also takes the
 * 64-bit time calls of 32-bit machines, clone3, statx, rseq and whatever is to come.
 *
 * RISC-V came with Linux 4.15, which is its floor.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __riscv
#define FIRST_LATER __NR_io_pgetevents /* 4.18 */
#else
#define FIRST_LATER __NR_sched_setattr
#endif
/* ARM's private calls, such as set_tls, have been there for ever. Nobody else has any. */
#define PRIVATE 0x0f0000

static struct sock_filter rules[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, PRIVATE, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST_LATER, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static int is_missing(long number)
{
    return syscall(number, 0, 0, 0, 0, 0, 0) == -1 && errno == ENOSYS;
}

int main(int count, char **words)
{
    struct sock_fprog filter = {sizeof rules / sizeof *rules, rules};

    if (count < 2)
        return fputs("floor PROGRAM [ARGUMENT...]\n", stderr), 64;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
        return perror("floor: seccomp"), 71;
    /* A filter that lets everything through would prove nothing. */
    if (!is_missing(FIRST_LATER) || is_missing(__NR_getpid))
        return fputs("floor: the filter does not hold\n", stderr), 70;
    execv(words[1], words + 1);
    return perror(words[1]), 71;
}
