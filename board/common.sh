# Shared by the scripts of board/ and tests/emulated; sourced by bash.
# shellcheck shell=bash

board_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
board_cache=${RUNNEL_BOARD_CACHE:-$HOME/.cache/runnel-board}

# What programs for devices have: everything, unless FEATURES names a preset or single features.
case ${FEATURES-all} in
all) board_features=default ;;
small) board_features="rtmp rtsp http" ;;
*) board_features=$FEATURES ;;
esac

board_rows() { grep -Ev '^(#|$)' "$board_root/board/targets"; }
target_names() { board_rows | awk '{ print $1 }'; }
# One is for tests alone: x86-64 runs what has 32 bits without an emulator.
target_rows() { board_rows && echo "i686 i686-unknown-linux-musl s"; }
target_triple() { target_rows | awk -v name="$1" '$1 == name { print $2 }'; }
target_level() { target_rows | awk -v name="$1" '$1 == name { print $3 }'; }
target_flags() { target_rows | awk -v name="$1" '$1 == name { $1 = $2 = $3 = ""; print }'; }

# The emulator that runs its programs on a machine of another kind: no word where none is needed.
target_emulator() { # NAME
    case $1 in
    x86_64 | i686) ;;
    armv5te) echo qemu-arm-static -cpu arm926 ;;
    arm) echo qemu-arm-static -cpu arm1176 ;;
    armv7) echo qemu-arm-static ;;
    arm64) echo qemu-aarch64-static ;;
    *) echo "qemu-$1-static" ;;
    esac
}

version() { sed -n 's/^version = "\(.*\)"/\1/p' "$board_root/Cargo.toml" | head -1; }

# When the source was last changed, for everything that carries a time.
epoch() { git -C "$board_root" log -1 --format=%ct 2>/dev/null || echo 0; }

# Packs FOLDER/NAME/runnel with all that a device of any board needs beside it.
archive() { # NAME FOLDER
    local title staging board
    title=runnel-$(version)-$1
    staging=$(mktemp -d)
    mkdir -p "$staging/$title"/{conf,docs,init,board}
    cp "$2/$1/runnel" "$board_root"/LICENSE* "$board_root"/{README,CHANGELOG}.md "$staging/$title"
    cp "$board_root"/docs/*.md "$staging/$title/docs"
    cp "$board_root"/conf/*.toml "$staging/$title/conf"
    for board in openipc openwrt openwrt-mt76x8 raspberrypi-zero; do
        cp -r "$board_root/board/$board" "$staging/$title/board"
    done
    install -m 755 "$board_root/board/init/runnel" "$staging/$title/init"
    install -m 644 "$board_root/board/systemd/runnel.service" "$staging/$title/init"
    tar -C "$staging" --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw,a-s \
        --mtime="@$(epoch)" -c "$title" | gzip -9n >"$2/$title.tar.gz"
    rm -rf "$staging"
}

# The checksums of all archives in FOLDER.
write_sums() { # FOLDER
    (cd "$1" && sha256sum runnel-*.tar* >SHA256SUMS)
}

# What the program has beyond the flags of its target, and tests have not: they unwind the stack
# after a panic, by tables, and are to say where it was. Derived Debug names the variant alone there,
# which is all that the log shows of errors of libraries.
program_flags="-C force-unwind-tables=no -Z location-detail=none -Z fmt-debug=shallow"

# zig brings its own start files; without crt-static some targets are not
# static. Paths of this machine have no place in what others get; that of the
# source does not come into it, and would make a cache of no use elsewhere.
rust_flags() { # NAME SUBCOMMAND
    local more=
    case $2 in build | b | run | zigbuild) more=$program_flags ;; esac
    echo "-C link-self-contained=no -C target-feature=+crt-static" \
        "--remap-path-prefix=$(rustc --print sysroot)/lib/rustlib/src/rust=/rust" \
        "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo" \
        "$(target_flags "$1") $more"
}

# Whether tests/board/setup has found Rust's own standard library for a target: it saves building one.
has_ready_std() { # NAME
    [[ $1 == i686 ]] && rustup target list --installed 2>/dev/null | grep -qx i686-unknown-linux-musl
}

# cargo with zig as compiler and linker for C: SUBCOMMAND is zigbuild, test, ...
cargo_for() { # NAME SUBCOMMAND ARGUMENT...
    local name=$1 subcommand=$2 triple variable std=(-Z "build-std=std,panic_abort")
    shift 2
    if has_ready_std "$name"; then std=(); fi
    triple=$(target_triple "$name")
    variable=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$triple")_RUSTFLAGS
    # build-std is for nightly compilers unless they are told otherwise
    env PATH="$board_cache/venv/bin:$PATH" RUSTC_BOOTSTRAP=1 "$variable=$(rust_flags "$name" "$subcommand")" \
        CARGO_PROFILE_DIST_OPT_LEVEL="$(target_level "$name")" \
        CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$board_cache/target/$name}" \
        cargo-zigbuild "$subcommand" --manifest-path "$board_root/Cargo.toml" --locked \
        --target "$triple" "${std[@]}" "$@"
}
