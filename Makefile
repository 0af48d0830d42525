# SPDX-License-Identifier: BSD-2-Clause
# The one Makefile: kernel, tasks, host tools, unit tests, fuzz targets, ISO images. `./bulkhead` is the front door; this is underneath.
#   make [O=build] [CC=gcc|clang] [DEBUG=0|1|2] all | iso | unit | fuzz | tests | tools | clean
# DEBUG=2: the kernel checks itself (kernel/check.h). With it PREEMPT=1: every preemption point restarts the system call, and
# FAIL_ALLOC=n: every n-th allocation fails. Each such build needs an O of its own.
O       ?= build
CC      := gcc
CLANG   := clang
OBJCOPY := objcopy
DEBUG   ?= 1
PREEMPT ?= 0
FAIL_ALLOC ?= 0
CHECKED := $(if $(filter-out 0 1,$(DEBUG)),1,0)

WARN    := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wvla
FREE    := -std=gnu17 -O2 -g -ffreestanding -fno-stack-protector -fno-pic -fno-pie -mno-red-zone -mgeneral-regs-only \
           -fno-asynchronous-unwind-tables -fomit-frame-pointer -fno-common -fno-strict-aliasing $(WARN) -MMD -MP -DDEBUG=$(DEBUG)
KFLAGS  := $(FREE) -DCHECKED=$(CHECKED) -DTRACING=$(CHECKED) $(if $(filter 1,$(CHECKED)),-fno-omit-frame-pointer -fno-optimize-sibling-calls) -DPREEMPT=$(PREEMPT) -DFAIL_ALLOC=$(FAIL_ALLOC) -mcmodel=kernel -Iinclude -Ikernel
UFLAGS  := $(FREE) -mcmodel=small -Iinclude -Ilib/include -Ilib -Ivmm -I$(O)/gen -I.
HFLAGS  := -std=gnu17 -O2 -g $(WARN) -MMD -MP -Iinclude -I.
LDFLAGS := -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,max-page-size=4096

# ---- sources: every file of a folder belongs to it
# What only debugs the kernel itself is compiled for DEBUG=2; its headers make the hooks empty otherwise.
# The checks of its invariants are tests, which such a kernel has in it.
KDEBUG_SRC := $(wildcard kernel/debug*.c kernel/x86/debug*.c kernel/trace*.c kernel/x86/trace*.c)
KERNEL_SRC := $(filter-out $(if $(filter 1,$(CHECKED)),,$(KDEBUG_SRC)),$(wildcard kernel/*.c kernel/x86/*.c kernel/x86/vmx/*.c kernel/x86/svm/*.c)) \
              $(if $(filter 1,$(CHECKED)),$(wildcard tests/invariants/*.c))
KERNEL_ASM := $(wildcard kernel/x86/*.S kernel/x86/vmx/*.S kernel/x86/svm/*.S)
LIB_SRC    := $(wildcard lib/*.c)
LIB_ASM    := $(wildcard lib/*.S)
ROOT_SRC   := $(wildcard root/*.c)
VMM_SRC    := $(wildcard vmm/*.c)
CONSOLE_SRC := $(wildcard servers/console/*.c)
KTEST_SRC  := $(wildcard tests/kernel/*.c $(if $(filter-out 0,$(FAIL_ALLOC)),tests/kernel/fail/*.c))
KFIRE_SRC  := $(wildcard tests/fire/*.c)
KTEST_ASM  := $(wildcard tests/kernel/*.S)
KBENCH_SRC := $(wildcard bench/target/*.c)

kobj = $(patsubst %.c,$(O)/k/%.o,$(filter %.c,$(1))) $(patsubst %.S,$(O)/k/%.o,$(filter %.S,$(1)))
uobj = $(patsubst %.c,$(O)/u/%.o,$(filter %.c,$(1))) $(patsubst %.S,$(O)/u/%.o,$(filter %.S,$(1)))

TASKS := $(O)/root.elf $(O)/vmm.elf $(O)/console.elf
all: $(O)/bulkhead.elf $(TASKS) $(O)/initrd $(O)/initrd-virtio tools

# ---- kernel
# Small, where that costs no instruction: no padding between functions and loops, a stack without the alignment of vectors, and only
# what was written as inline is inlined.
KFLAGS  += $(if $(findstring clang,$(CC)),-fno-align-functions -mstack-alignment=8,-fno-align-functions -fno-align-loops -fno-align-jumps \
           -fno-align-labels -mpreferred-stack-boundary=3 --param max-inline-insns-auto=10)
# The paths whose instructions are counted are compiled for speed, all else for size.
KHOT    := $(addprefix kernel/,sched.c signal.c ipc.c object.c x86/return.c x86/vcpu.c x86/interrupt.c x86/svm/svm.c x86/vmx/run.c)
# Where that does cost instructions.
$(O)/k/kernel/x86/vmx/run.o: KFLAGS += $(if $(findstring clang,$(CC)),,--param max-inline-insns-auto=15)
$(O)/k/%.o: %.c $(O)/k/offsets.h
	@mkdir -p $(@D)
	$(CC) $(KFLAGS) $(if $(filter $<,$(KHOT)),,-Os) -I$(O)/k -c $< -o $@
$(O)/k/%.o: %.S $(O)/k/offsets.h
	@mkdir -p $(@D)
	$(CC) $(KFLAGS) -D__ASSEMBLER__ -I$(O)/k -c $< -o $@
# Structure offsets for the assembly files, taken from the compiler.
$(O)/k/offsets.h: kernel/x86/offsets.c $(wildcard kernel/*.h kernel/x86/*.h include/bulkhead/*.h)
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(KFLAGS)) -S -o $@.s $<
	sed -n 's/^.*->\([A-Z0-9_]*\) \$$\?\([-0-9]*\).*$$/#define \1 \2/p' $@.s > $@
# Multiboot2 wants physical addresses; GRUB loads ELF64 as it is.
$(O)/bulkhead.elf: $(call kobj,$(filter-out kernel/x86/offsets.c,$(KERNEL_SRC)) $(KERNEL_ASM)) kernel/x86/kernel.lds
	$(CC) $(LDFLAGS) -Wl,-T,kernel/x86/kernel.lds -o $@ $(filter %.o,$^)

# ---- tasks
$(O)/u/tests/kernel/%.o: UFLAGS += $(if $(filter-out 0,$(FAIL_ALLOC)),-DSYS_INVOKE_EXTERN=1)
$(O)/u/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(UFLAGS) -c $< -o $@
$(O)/u/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(UFLAGS) -D__ASSEMBLER__ -c $< -o $@
# .bss becomes file contents, so that root and the kernel map an image as it stands.
define task
$(O)/$(1).elf: $(call uobj,$(2) $(LIB_SRC) $(LIB_ASM)) lib/task.lds
	$(CC) $(LDFLAGS) -Wl,-T,lib/task.lds -o $$@.tmp $$(filter %.o,$$^) $(3)
	$(OBJCOPY) --set-section-flags .bss=alloc,load,contents $$@.tmp $$@
	@rm -f $$@.tmp
endef
$(eval $(call task,root,$(ROOT_SRC),-lfdt))
# A vmm is linked with what it uses: main.c brings all that every VM has, `-u device_kind_NAME` a device that its entry names,
# `-u NAME_load` the loader of a kernel that is no bzImage, `-u emulate_extended` instructions by which Linux accesses no register of
# the devices that are always there. vmm.elf has nothing of that, vmm-KIND1+KIND2.elf these kinds. Its .bss stays: root fills images with zeros itself.
# The map says which sources a vmm consists of: bench/sizes.py counts them.
# The ACPI namespace: ASL through the C preprocessor, iasl and into an array.
DSDT     := $(O)/gen/dsdt_aml.h
$(DSDT): vmm/dsdt.asl vmm/platform.h
	@mkdir -p $(@D)
	$(CC) -E -P -x c -Ivmm $< -o $(@D)/dsdt.i
	iasl -p $(@D)/dsdt $(@D)/dsdt.i > $(@D)/dsdt.log 2>&1 || { cat $(@D)/dsdt.log; exit 1; }
	{ echo 'static const unsigned char dsdt_aml[] = {'; od -An -v -tx1 $(@D)/dsdt.aml | sed 's/ \(..\)/0x\1,/g'; echo '};'; } > $@
$(O)/u/vmm/acpi.o: $(DSDT)
VMM_OBJ  := $(call uobj,$(VMM_SRC))
VMM_FIRST := $(O)/u/vmm/main.o $(call uobj,$(LIB_ASM))
$(O)/vmm.a: $(VMM_OBJ) $(call uobj,$(LIB_SRC))
	@rm -f $@
	ar rcs $@ $^
LOADERS := multiboot multiboot2 pvh
kinds    = $(foreach kind,$(subst +, ,$(1)),-Wl$(comma)-u$(comma)$(if $(filter $(LOADERS),$(kind)),$(kind)_load,device_kind_$(subst -,_,$(kind)))) \
           $(if $(filter-out firmware hpet $(LOADERS),$(subst +, ,$(1))),-Wl$(comma)-u$(comma)device_detach_init$(comma)-u$(comma)ssdt_slots) \
           $(if $(filter-out hpet,$(subst +, ,$(1))),-Wl$(comma)-u$(comma)emulate_extended)
comma   := ,
link_vmm = $(CC) $(LDFLAGS) -Wl,-T,lib/task.lds -Wl,-Map,$@.map $(1) -o $@.new $(VMM_FIRST) $(O)/vmm.a && mv $@.new $@
$(O)/vmm.elf: $(VMM_FIRST) $(O)/vmm.a lib/task.lds
	$(call link_vmm,)
$(O)/vmm-%.elf: $(VMM_FIRST) $(O)/vmm.a lib/task.lds Makefile
	$(call link_vmm,$(call kinds,$*))
$(eval $(call task,console,$(CONSOLE_SRC)))
$(eval $(call task,ktest,$(KTEST_SRC) $(KTEST_ASM)))
$(eval $(call task,kfire,$(KFIRE_SRC)))
$(eval $(call task,kbench,$(KBENCH_SRC)))

# ---- host tools: tools/NAME.c is one program, tools/NAME/*.c is one program of several files
TOOLS := $(patsubst tools/%.c,$(O)/tools/%,$(wildcard tools/*.c)) $(O)/tools/bulkhead-config
tools: $(TOOLS)
$(O)/tools/%: tools/%.c
	@mkdir -p $(@D)
	$(CC) $(HFLAGS) -o $@ $< $(LDLIBS_$*)
$(O)/tools/bulkhead-config: $(wildcard tools/config/*.c tools/config/*.h)
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(HFLAGS)) -Itools/config -o $@ $(filter %.c,$^) -lyaml -lfdt

# ---- unit tests and fuzz targets: the line "// links: a.c b.c" in a test names the sources it needs, "// libs: -lx" libraries,
# "// flags: -f" the compiler's flags
SAN     := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
TFLAGS  := -std=gnu17 -g -O1 -DDEBUG=1 -DCHECKED=1 -DPREEMPT=0 -DFAIL_ALLOC=0 -Wall -Wextra -Werror -DHOST_TEST=1 -Iinclude -Ivmm -Ikernel -Iservers/console -Iroot -Itools/config -I$(O)/gen -I. \
           -idirafter lib/include -idirafter lib
# "@vmm" stands for all of the vmm but its main.c. What tests link is compiled once for all of them, but for those with flags of their own.
links    = $(patsubst @vmm,$(O)/$(2)/vmm.a,$(if $(call flags,$(1)),$(call listed,$(1)),$(patsubst %.c,$(O)/$(2)/obj/%.o,$(call listed,$(1)))))
listed   = $(shell sed -n 's,^// links: *,,p' $(1))
flags    = $(shell sed -n 's,^// flags: *,,p' $(1))
libs     = $(shell sed -n 's,^// libs: *,,p' $(1))
UNIT    := $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/test_*.c))
FUZZ    := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
.SECONDEXPANSION:
$(O)/unit/%: tests/unit/%.c $$(call links,tests/unit/%.c,unit) $(wildcard include/bulkhead/*.h kernel/*.h vmm/*.h lib/include/bulkhead/*.h tests/unit/*.h) $(DSDT)
	@mkdir -p $(@D)
	$(CC) $(TFLAGS) $(SAN) $(call flags,$<) -o $@ $(filter %.c %.o %.a,$^) -lcmocka $(call libs,$<)
$(O)/fuzz/%: tests/fuzz/%.c $$(call links,tests/fuzz/%.c,fuzz) $(wildcard include/bulkhead/*.h vmm/*.h lib/include/bulkhead/*.h tests/unit/*.h tests/fuzz/*.h) $(DSDT)
	@mkdir -p $(@D)
	$(CLANG) $(TFLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $(filter %.c %.o %.a,$^) $(call libs,$<)
HOST_VMM := $(filter-out vmm/main.o,$(VMM_SRC:.c=.o))
$(O)/unit/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(TFLAGS) -MMD -MP $(SAN) -c $< -o $@
$(O)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CLANG) $(TFLAGS) -MMD -MP -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -c $< -o $@
$(O)/unit/obj/vmm/acpi.o $(O)/fuzz/obj/vmm/acpi.o: $(DSDT)
$(O)/unit/vmm.a: $(addprefix $(O)/unit/obj/,$(HOST_VMM))
	rm -f $@; ar rcs $@ $^
$(O)/fuzz/vmm.a: $(addprefix $(O)/fuzz/obj/,$(HOST_VMM))
	rm -f $@; ar rcs $@ $^
unit-build: $(UNIT)
fuzz-build: $(FUZZ)
unit: $(UNIT)
	@set -e; for t in $(UNIT); do $$t; done
fuzz: $(FUZZ)
	@set -e; for t in $(FUZZ); do echo $$t; $$t -max_total_time=3 -seed=1 -verbosity=0; done
tests: unit-build fuzz-build $(O)/ktest.elf $(O)/kfire.elf

# ---- images
# The guests' initramfs, which a configuration calls build:initrd.
$(O)/initrd: tools/mkinitramfs.sh /bin/busybox
	@mkdir -p $(@D)
	tools/mkinitramfs.sh $@
# The same with modules of Debian's cloud kernel for virtio devices: build:initrd-virtio.
MODULES := $(lastword $(sort $(wildcard /lib/modules/*-cloud-amd64)))
$(O)/initrd-virtio: tools/mkinitramfs.sh /bin/busybox
	@mkdir -p $(@D)
	tools/mkinitramfs.sh $@ $(MODULES) virtio_pci virtio_blk virtio_console virtio-rng virtio_balloon virtio_net vmw_vsock_virtio_transport
iso: all
	./bulkhead image -o $(O)/bulkhead.iso
# Few models of Bochs tell that they are free of Meltdown.
KERNEL_OPTIONS ?= accept=meltdown
# A kernel with one root task and no system archive: the kernel's own tests and benchmarks. CMDLINE: the kernel's.
$(O)/%.iso: $(O)/bulkhead.elf $(O)/%.elf
	@rm -rf $(O)/iso-$*; mkdir -p $(O)/iso-$*/boot/grub
	cp $(O)/bulkhead.elf $(O)/iso-$*/boot/; cp $(O)/$*.elf $(O)/iso-$*/boot/root.elf
	printf 'set timeout=0\nset default=0\nmenuentry "$*" {\nmultiboot2 /boot/bulkhead.elf $(KERNEL_OPTIONS) $(CMDLINE)\nmodule2 /boot/root.elf root\nboot\n}\n' > $(O)/iso-$*/boot/grub/grub.cfg
	grub-mkrescue --compress=no -o $@ $(O)/iso-$* 2> $(O)/iso-$*.log || { cat $(O)/iso-$*.log; exit 1; }

clean:
	rm -rf $(O)

.PHONY: all tools unit unit-build fuzz fuzz-build tests iso clean
-include $(shell find $(O) -name '*.d' 2>/dev/null)
