#!/usr/bin/env bash
# The smallest camera: posts each new photograph of a folder once, and tries again while the service is busy or away.
#   deploy/camera.sh FOLDER [http://127.0.0.1:8000] [LINE]
set -euo pipefail
folder=${1:?usage: camera.sh FOLDER [URL] [LINE]}
url=${2:-http://127.0.0.1:8000}
line=${3:-1}

for photograph in "$folder"/*.jpg; do
    # --retry repeats connection errors and 503, and waits as long as Retry-After asks for
    curl --silent --show-error --fail-with-body --retry 10 --retry-connrefused --max-time 10 \
        --data-binary @"$photograph" -H 'Content-Type: image/jpeg' "$url/v1/grade?line=$line&camera=camera.sh"
    echo
done
