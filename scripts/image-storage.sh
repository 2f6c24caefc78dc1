# Sourced, not run, with the checkout as working directory: buildah then keeps what it makes below build/images, whatever the
# machine's own storage is. vfs and chroot work everywhere where one is root, containers included.
mkdir -p build/images
printf '[storage]\ndriver = "vfs"\ngraphroot = "%s/build/images/graph"\nrunroot = "%s/build/images/run"\n' "$PWD" "$PWD" \
  > build/images/storage.conf
export CONTAINERS_STORAGE_CONF="$PWD/build/images/storage.conf" BUILDAH_ISOLATION=chroot
