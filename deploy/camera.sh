#!/usr/bin/env bash
# The smallest camera. One pass over a folder: posts each photograph (jpg, jpeg, png, webp, bmp in any case) once and moves it to
# FOLDER/done; one that the service refuses goes to FOLDER/refused, with the problem beside it. While the service is busy or away
# it tries again, for RETRY_S seconds (60) in a pass; what was not delivered stays for the next one, and the exit code is 1.
# When a connection breaks before the answer comes, the photograph is sent again under the same Idempotency-Key, in this pass or
# the next: its fruit is on record once. From another machine it needs a camera key (`senka keys add`) in SENKA_KEY, and in CAMERA
# the name that the key was made for, if it was made for one.
#   SENKA_KEY=senka_... deploy/camera.sh FOLDER [http://127.0.0.1:8000] [LINE]
set -euo pipefail
shopt -s nullglob nocaseglob
folder=${1:?usage: camera.sh FOLDER [URL] [LINE]}
url=${2:-http://127.0.0.1:8000}
line=${3:-1}

[[ -d $folder ]] || { echo "camera.sh: there is no folder $folder" >&2; exit 1; }
mkdir -p "$folder/done" "$folder/refused"
answer=$(mktemp)
# in a file, not on the command line, where everybody on this machine could read it
credentials=$(mktemp)
trap 'rm -f "$answer" "$credentials"' EXIT
[[ -z ${SENKA_KEY:-} ]] || echo "Authorization: Bearer $SENKA_KEY" >"$credentials"
undelivered=0
retries=100

for photograph in "$folder"/*.{jpg,jpeg,png,webp,bmp}; do
    name=${photograph##*/}
    # --retry repeats 503, waiting as long as Retry-After asks for; --retry-all-errors adds connections that fail or break
    if [[ ! -f $photograph || ! -r $photograph ]]; then
        status="not a readable file"
    else
        # what it shows and when it was written: the same in every pass, another for every photograph
        key="$(sha256sum <"$photograph" | cut -c1-64)-$(stat -c %Y -- "$photograph")"
        status=$(curl --silent --show-error --max-time 10 --retry "$retries" --retry-max-time "${RETRY_S:-60}" --retry-all-errors \
            --output "$answer" --write-out '%{http_code}' \
            --data-binary @"$photograph" -H 'Content-Type: image/jpeg' -H "Idempotency-Key: $key" -H @"$credentials" \
            --url-query "line=$line" --url-query "camera=${CAMERA:-camera.sh}" \
            "${url%/}/v1/grade") || status="no answer"
    fi
    case $status in
        2??)
            echo "$(<"$answer")"
            mv --backup=numbered -- "$photograph" "$folder/done/"
            ;;
        401 | 403 | 404 | 408 | 429 | [!4]* | "")  # the address, the key or the service is at fault, not the photograph
            echo "camera.sh: $name was not delivered ($status); it stays." >&2
            undelivered=1
            retries=0  # the others get one try each: a service that is away must not hold the pass for a minute a photograph
            ;;
        *)
            echo "camera.sh: $name was refused ($status); see $folder/refused/$name.problem.json" >&2
            cp --backup=numbered -- "$answer" "$folder/refused/$name.problem.json"
            mv --backup=numbered -- "$photograph" "$folder/refused/"
            ;;
    esac
done
exit "$undelivered"
