#!/bin/sh
# Builds the spike's addon from the product's own fetcher. usage: build.sh NODE_INCLUDE_DIR OUT.node
set -eu
here=$(dirname "$0")
exec g++ -std=c++20 -O2 -g -fPIC -shared -Wall -Wextra -Werror -DNODE_GYP_MODULE_NAME=fetch_spike -I"$1" "$here/addon_node.cc" "$here"/../../../native/src/http/*.cc -o "$2"
