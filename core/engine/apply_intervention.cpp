// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/engine/apply_intervention.h"

#include <ATen/ATen.h>

#include "core/model/guard.h"

namespace headscope {
namespace {

// What the intervention selects: a view without the axes fixed by row and head, and the positions in it.
struct Selection {
  at::Tensor view;
  std::int64_t position_axis = 0;
  bool all_positions = true;
  std::vector<std::int64_t> positions; // within this run
  std::vector<std::int64_t> entries;   // which of the intervention's positions those are
};

Selection select(const Intervention& intervention, const RunSpan& span, const at::Tensor& x) {
  const bool head_first = hook_axes(intervention.site.point) == HookAxes::head_query_key;
  Selection selection;
  selection.view = x;
  const std::int64_t head_axis = head_first ? 1 : 2;
  selection.position_axis = head_first ? 2 : 1;
  if (intervention.head) {
    selection.view = selection.view.select(head_axis, *intervention.head);
    if (head_first) --selection.position_axis;
  }
  if (intervention.row) {
    selection.view = selection.view.select(0, *intervention.row);
    --selection.position_axis;
  }
  selection.all_positions = intervention.positions.empty();
  for (std::size_t i = 0; i < intervention.positions.size(); ++i) {
    const std::int64_t local = intervention.positions[i] - span.begin;
    if (local < 0 || local >= span.count) continue; // computed by another step
    selection.positions.push_back(local);
    selection.entries.push_back(static_cast<std::int64_t>(i));
  }
  return selection;
}

std::string shape_text(at::IntArrayRef sizes) {
  std::string text = "[";
  for (std::size_t i = 0; i < sizes.size(); ++i)
    text += (i ? ", " : "") + std::to_string(sizes[i]);
  return text + "]";
}

// The value in the shape of what it replaces.
at::Tensor fitted_value(const Intervention& intervention, const Selection& selection, at::IntArrayRef wanted,
                        const at::Tensor& like) {
  at::Tensor value = intervention.value.to(like.options());
  const std::int64_t from_end = static_cast<std::int64_t>(wanted.size()) - selection.position_axis;
  const std::int64_t axis = value.dim() - from_end; // of the positions within the value
  const auto asked = static_cast<std::int64_t>(intervention.positions.size());
  if (!selection.all_positions && axis >= 0 && value.size(axis) == asked &&
      static_cast<std::int64_t>(selection.entries.size()) != asked)
    value = value.index_select(axis, at::tensor(selection.entries, at::kLong).to(value.device()));
  const bool fits = [&] {
    if (value.dim() > static_cast<std::int64_t>(wanted.size())) return false;
    for (std::int64_t i = 1; i <= value.dim(); ++i)
      if (value.size(-i) != 1 && value.size(-i) != wanted[wanted.size() - static_cast<std::size_t>(i)]) return false;
    return true;
  }();
  if (!fits)
    throw ErrorException(make_error(ErrorCode::mismatch,
                                    "the intervention's value has shape " + shape_text(value.sizes()) +
                                        ", what it replaces has " + shape_text(wanted),
                                    {}, hook_name(intervention.site)));
  return value.expand(wanted);
}

void apply_everywhere(const Intervention& intervention, const Selection& selection) {
  at::Tensor view = selection.view;
  switch (intervention.kind) {
  case InterventionKind::zero: view.zero_(); return;
  case InterventionKind::scale: view.mul_(intervention.factor); return;
  case InterventionKind::set: view.copy_(fitted_value(intervention, selection, view.sizes(), view)); return;
  case InterventionKind::add: view.add_(fitted_value(intervention, selection, view.sizes(), view)); return;
  case InterventionKind::uniform: return; // attention itself does it
  }
}

void apply_at_positions(const Intervention& intervention, const Selection& selection) {
  if (selection.positions.empty()) return;
  at::Tensor view = selection.view;
  const std::int64_t axis = selection.position_axis;
  const at::Tensor index = at::tensor(selection.positions, at::kLong).to(view.device());
  at::DimVector wanted(view.sizes());
  wanted[static_cast<std::size_t>(axis)] = static_cast<std::int64_t>(selection.positions.size());
  switch (intervention.kind) {
  case InterventionKind::zero: view.index_fill_(axis, index, 0); return;
  case InterventionKind::scale:
    view.index_copy_(axis, index, view.index_select(axis, index) * intervention.factor);
    return;
  case InterventionKind::set:
    view.index_copy_(axis, index, fitted_value(intervention, selection, wanted, view));
    return;
  case InterventionKind::add:
    view.index_copy_(axis, index, view.index_select(axis, index) + fitted_value(intervention, selection, wanted, view));
    return;
  case InterventionKind::uniform: return;
  }
}

} // namespace

void apply_intervention(const Intervention& intervention, const RunSpan& span, at::Tensor& x) {
  const Selection selection = select(intervention, span, x);
  if (selection.all_positions)
    apply_everywhere(intervention, selection);
  else
    apply_at_positions(intervention, selection);
}

} // namespace headscope
