// SPDX-License-Identifier: GPL-3.0-or-later
// The whole file as a tree, for a reader who does not know what is in it.
#include <nlohmann/json.hpp>

#include "core/store/h5.h"
#include "core/store/reader_state.h"
#include "core/store/result_reader.h"

namespace headscope::store {

namespace {

constexpr int kDeepest = 32; // a link may lead back to its own group

void describe_dataset(const h5::Object& object, Node& node) {
  const h5::Type type(H5Dget_type(object.get()));
  const h5::Space space(H5Dget_space(object.get()));
  node.dtype = h5::dtype_of(type.get());
  node.shape = h5::shape_of(space.get());
  node.stored_bytes = static_cast<std::int64_t>(H5Dget_storage_size(object.get()));
  for (unsigned i = 0; i < node.shape.size(); ++i)
    node.axes.push_back(axis_of(object.get(), i).name);
}

Result<Node> describe(const ResultReader::Impl& impl, const std::string& path, const std::string& name, int depth);

Status describe_children(const ResultReader::Impl& impl, const std::string& path, int depth, Node& node) {
  if (depth >= kDeepest) return make_error(ErrorCode::corrupt, "is nested too deeply", impl.path, path);
  HS_ASSIGN(const std::vector<std::string> names, impl.links(path));
  for (const std::string& name : names) {
    const std::string at = (path == "/" ? "" : path) + "/" + name;
    const h5::Dataset scale(H5Dopen2(impl.file.get(), at.c_str(), H5P_DEFAULT));
    if (scale && H5DSis_scale(scale.get()) > 0) continue;
    HS_ASSIGN(Node child, describe(impl, at, name, depth + 1));
    if (!(child.is_group && path == "/" && name == "axes")) node.children.push_back(std::move(child));
  }
  return {};
}

Result<Node> describe(const ResultReader::Impl& impl, const std::string& path, const std::string& name, int depth) {
  const h5::Object object(H5Oopen(impl.file.get(), path.c_str(), H5P_DEFAULT));
  if (!object) return h5::failure(impl.place(path), "read", ErrorCode::corrupt);
  Node node;
  node.name = name;
  HS_ASSIGN(node.attributes, h5::read_attributes(object.get(), impl.place(path)));
  node.is_group = H5Iget_type(object.get()) == H5I_GROUP;
  if (node.is_group) {
    HS_TRY(describe_children(impl, path, depth, node));
  } else if (H5Iget_type(object.get()) == H5I_DATASET) {
    describe_dataset(object, node);
  }
  return node;
}

} // namespace

Result<Node> ResultReader::tree() const {
  return guarded<Node>(impl_->path, [&] { return describe(*impl_, "/", "/", 0); });
}

nlohmann::json to_json(const Attributes& attributes) {
  nlohmann::json out = nlohmann::json::object();
  for (const Attribute& attribute : attributes) {
    std::visit([&](const auto& value) { out[attribute.name] = value; }, attribute.value);
  }
  return out;
}

nlohmann::json to_json(const Node& node) {
  nlohmann::json out = {{"name", node.name}, {"attributes", to_json(node.attributes)}};
  if (node.is_group) {
    nlohmann::json& children = out["children"] = nlohmann::json::array();
    for (const Node& child : node.children)
      children.push_back(to_json(child));
    return out;
  }
  out["dtype"] = to_string(node.dtype);
  out["shape"] = node.shape;
  out["axes"] = node.axes;
  out["stored_bytes"] = node.stored_bytes;
  return out;
}

} // namespace headscope::store
