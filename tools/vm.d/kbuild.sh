#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# kbuild.sh SOURCE STAGE KDIR [MAKE-ARGUMENT...]: builds the modules against the kernel of KDIR.
# The build is in STAGE, a copy of the sources, so that SOURCE stays unchanged and one checkout serves several
# kernels.
set -eu
source=$1 stage=$2 kdir=$3
shift 3

mkdir -p "$stage"
rsync -a --delete --exclude=config.h --exclude=.configure --include='*/' --include='*.[chS]' \
	--include=Makefile --include=configure --include='*.sh' --exclude='*' \
	"$source/include" "$source/drivers" "$stage/"
mkdir -p "$stage/tests"
rsync -a --delete --include='*/' --include='*.[ch]' --include=Makefile --exclude='*' \
	"$source/tests/kernel" "$stage/tests/"
rsync -a "$source/Kbuild" "$stage/"

cd "$stage"
configured=drivers/compat/.configured
if [ ! -e $configured ] || [ "$(find drivers/compat -newer $configured -name '*.c' -o \
		-newer $configured -name configure)" ]; then
	./drivers/compat/configure "$kdir"
	touch $configured
fi
make -C "$kdir" M="$stage" "$@" modules
