// SPDX-License-Identifier: GPL-3.0-or-later
// Lists a whole file as a tree, for readers who do not know what is in it.
#include <set>

#include <nlohmann/json.hpp>

#include "core/base/limits.h"
#include "core/store/h5.h"
#include "core/store/reader_state.h"
#include "core/store/result_reader.h"

namespace headscope::store {

namespace {

// One walk over the whole file. A group that two links lead to is shown at both, but its content only once.
class Walk {
public:
  explicit Walk(const ResultReader::Impl& impl) : impl_(impl) {}

  Result<Node> describe(const std::string& path, const std::string& name, int depth) {
    HS_ASSIGN(const h5::Object object, impl_.object(path));
    Node node;
    node.name = name;
    HS_ASSIGN(node.attributes, h5::read_attributes(object.get(), impl_.place(path)));
    const H5I_type_t type = H5Iget_type(object.get());
    node.is_group = type == H5I_GROUP;
    if (node.is_group) HS_TRY(describe_children(object, path, depth, node));
    if (type == H5I_DATASET) HS_TRY(describe_dataset(object, path, node));
    return node;
  }

private:
  Status describe_dataset(const h5::Object& object, const std::string& path, Node& node) const {
    const h5::H5Location place = impl_.place(path);
    HS_TRY(h5::check_dataset(object.get(), place, impl_.source->content()));
    const h5::Type type(H5Dget_type(object.get()));
    const h5::Space space(H5Dget_space(object.get()));
    node.dtype = h5::dtype_of(type.get());
    node.shape = h5::shape_of(space.get());
    node.stored_bytes = static_cast<std::int64_t>(H5Dget_storage_size(object.get()));
    HS_ASSIGN(node.axes, h5::axis_names(object.get(), node.shape.size(), place));
    return {};
  }

  Result<bool> is_scale(const std::string& path) const {
    HS_ASSIGN(const h5::Object object, impl_.object(path));
    if (H5Iget_type(object.get()) != H5I_DATASET) return false;
    return h5::is_scale(object.get(), impl_.place(path));
  }

  Status describe_children(const h5::Object& object, const std::string& path, int depth, Node& node) {
    if (depth >= limits::result_depth) return make_error(ErrorCode::corrupt, "is nested too deeply", impl_.path, path);
    H5O_info_t info{};
    if (H5Oget_info2(object.get(), &info, H5O_INFO_BASIC) < 0)
      return h5::failure(impl_.place(path), "read", ErrorCode::corrupt);
    if (!walked_.insert(info.addr).second) return {};
    HS_ASSIGN(const std::vector<std::string> names, impl_.links(path));
    for (const std::string& name : names) {
      const std::string at = (path == "/" ? "" : path) + "/" + name;
      HS_ASSIGN(const bool scale, is_scale(at));
      if (scale) continue;
      HS_ASSIGN(Node child, describe(at, name, depth + 1));
      if (!(child.is_group && path == "/" && name == "axes")) node.children.push_back(std::move(child));
    }
    return {};
  }

  const ResultReader::Impl& impl_;
  std::set<haddr_t> walked_;
};

} // namespace

Result<Node> ResultReader::tree() const {
  return guarded<Node>(*impl_, [&] { return Walk(*impl_).describe("/", "/", 0); });
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
