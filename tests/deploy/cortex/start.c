/* Where a Cortex-M4 begins: the unit for floating point is switched on, then newlib's own start calls main. */
#include <stdint.h>

extern uint32_t top_of_stack;
extern void _start(void);

void reset(void);
void reset(void)
{
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;
    __asm volatile("dsb\n isb");
    _start();
}

static void fault(void)
{
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    &top_of_stack, (void *)reset, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault};
