// SPDX-License-Identifier: GPL-3.0-or-later
// A changed byte gives an error, never a wrong answer and never a crash.
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <random>

#include "core/store/trial.h"
#include "tests/store/sample_writer.h"
#include "tests/store/scratch.h"
#include "tests/timed.h"

namespace headscope::store {
namespace {

using testing::HasSubstr;

std::string get(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void put(const std::string& path, const std::string& bytes) {
  std::filesystem::remove(path); // another file: the verdict on the last one must not count
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// One to four bytes, each with another value.
std::string changed(std::string bytes, std::size_t within, std::mt19937& random) {
  const std::size_t count = 1 + random() % 4;
  for (std::size_t i = 0; i < count; ++i) {
    char& byte = bytes[random() % within];
    byte = static_cast<char>(byte ^ static_cast<char>(1 + random() % 255));
  }
  return bytes;
}

class Damage : public testing::Test {
protected:
  static int rounds() { return test::timed() ? 300 : 100; }

  Damage() {
    auto out = ResultWriter::create(scratch / "good.h5", {});
    EXPECT_TRUE(out.ok() && sample::write_all(*out).ok() && out->commit().ok());
    good = get(scratch / "good.h5");
    std::memcpy(&content, good.data() + good.size() - 32, sizeof content);
  }

  Scratch scratch;
  std::string good;
  std::uint64_t content = 0; // bytes of the HDF5 part
};

TEST_F(Damage, WholeFileIsReadElsewhere) {
  put(scratch / "copy.h5", good); // not what this process wrote
  auto in = ResultReader::open(scratch / "copy.h5");
  ASSERT_TRUE(in.ok()) << in.error().to_string();
  EXPECT_TRUE(in->info().has_checksums);
  EXPECT_TRUE(in->check_everything().ok());
}

TEST_F(Damage, EveryChangedByteIsSeen) {
  std::mt19937 random(1);
  for (int i = 0; i < rounds(); ++i) {
    put(scratch / "bad.h5", changed(good, good.size(), random));
    const auto in = ResultReader::open(scratch / "bad.h5");
    ASSERT_FALSE(in.ok()) << i;
    ASSERT_EQ(in.error().code, ErrorCode::corrupt) << i << ": " << in.error().to_string();
  }
}

// Older files have no checksums, so changed numbers go unnoticed; but the program does not crash.
TEST_F(Damage, WithoutChecksumsNothingCrashes) {
  std::mt19937 random(2);
  const std::string old = good.substr(0, content);
  for (int i = 0; i < rounds(); ++i) {
    put(scratch / "bad.h5", changed(old, old.size(), random));
    const auto in = ResultReader::open(scratch / "bad.h5");
    if (!in.ok()) continue;
    EXPECT_FALSE(in->info().has_checksums);
    static_cast<void>(in->tree());
    static_cast<void>(in->prompt("ioi-1"));
    static_cast<void>(in->ablation("zero"));
    static_cast<void>(in->patching("resid_pre"));
  }
}

TEST_F(Damage, CutOrLongerFileIsRefused) {
  for (const std::uint64_t size : {content + 1, static_cast<std::uint64_t>(good.size()) - 1}) {
    put(scratch / "cut.h5", good.substr(0, size));
    const auto in = ResultReader::open(scratch / "cut.h5");
    ASSERT_FALSE(in.ok()) << size;
    EXPECT_EQ(in.error().code, ErrorCode::corrupt);
  }
  put(scratch / "longer.h5", good + "and more");
  EXPECT_EQ(ResultReader::open(scratch / "longer.h5").error().code, ErrorCode::corrupt);
  put(scratch / "old.h5", good.substr(0, content));
  EXPECT_TRUE(ResultReader::open(scratch / "old.h5").ok());
}

// The file is too large to be verified as a whole, but what is read of it is verified.
TEST_F(Damage, BlocksAreVerifiedWhereTheyAreRead) {
  std::string bytes = good;
  const std::size_t at = bytes.find("Mary"); // in the heap of strings
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 'G';
  put(scratch / "bad.h5", bytes);
  const auto in = ResultReader::open_here(scratch / "bad.h5");
  ASSERT_TRUE(!in.ok() || !in->prompt("ioi-1").ok());
}

// Files whose parts are valid by themselves but contradict each other must be refused.
class Contradiction : public testing::Test {
protected:
  // The samples beside a model of that size, and what `more` adds.
  template <typename More> ResultReader file(const Attributes& model, const More& more) {
    const std::string path = scratch / ("run" + std::to_string(files_++) + ".h5");
    auto out = ResultWriter::create(path, {});
    EXPECT_TRUE(out.ok() && (model.empty() || out->set_model(model).ok()));
    EXPECT_TRUE(out->add_scores(sample::scores()).ok() && sample::write_ablation(*out).ok());
    EXPECT_TRUE(sample::write_attention(*out).ok());
    const Status added = more(*out);
    EXPECT_TRUE(added.ok()) << added.error().to_string();
    EXPECT_TRUE(out->commit().ok());
    auto in = ResultReader::open(path);
    EXPECT_TRUE(in.ok()) << in.error().to_string();
    return std::move(in).value();
  }

  ResultReader file(const Attributes& model) {
    return file(model, [](ResultWriter& out) { return out.add_patching(sample::patching()); });
  }

  // A patching of heads; the numbers of each pair have the given shapes.
  ResultReader pairs(std::int64_t clean, const std::vector<std::int64_t>& patched, std::int64_t heads = 2) {
    const Attributes model = {{"n_layers", sample::kLayers}, {"n_heads", sample::kHeads}, {"n_kv_heads", 2}};
    return file(model, [&](ResultWriter& out) -> Status {
      Patching patching = sample::patching();
      patching.spec.axes = {"layer", "head"};
      patching.spec.shape = {sample::kLayers, heads};
      patching.spec.attributes = {{"pairs", 3}};
      patching.restored.assign(static_cast<std::size_t>(sample::kLayers * heads), 0.5F);
      HS_TRY(out.add_patching(patching));
      HS_TRY(add(out, "pair_clean", {{"pair", {}}}, {clean}));
      return add(out, "pair_patched", {{"pair", {}}, {"layer", {}}, {"head", {}}}, patched);
    });
  }

  Scratch scratch;

private:
  static Status add(ResultWriter& out, const std::string& name, const std::vector<Axis>& axes,
                    const std::vector<std::int64_t>& shape) {
    std::int64_t cells = 1;
    for (const std::int64_t size : shape)
      cells *= size;
    const std::vector<double> values(static_cast<std::size_t>(cells), 0.5);
    return out.add_array("/patching/resid_pre/" + name, {DType::float64, axes, shape, "logit", name, {}, {}}, values);
  }

  int files_ = 0;
};

template <typename T> void expect_corrupt(const Result<T>& read, const std::string& field) {
  ASSERT_FALSE(read.ok()) << field;
  EXPECT_EQ(read.error().code, ErrorCode::corrupt) << read.error().to_string();
  EXPECT_EQ(read.error().field, field);
  EXPECT_THAT(read.error().file, HasSubstr(".h5"));
}

template <typename T> void expect_read(const Result<T>& read) { EXPECT_TRUE(read.ok()) << read.error().to_string(); }

TEST_F(Contradiction, LayersAndHeadsAreTheModels) {
  const ResultReader layers = file({{"n_layers", 2}, {"n_heads", sample::kHeads}});
  expect_corrupt(layers.scores("induction"), "/detectors/induction/scores");
  expect_corrupt(layers.ablation("zero"), "/ablation/zero/effects");
  expect_corrupt(layers.patching("resid_pre"), "/patching/resid_pre/restored");
  expect_corrupt(layers.attention("map"), "/attention/map/heads");
  const ResultReader heads = file({{"n_layers", sample::kLayers}, {"n_heads", 3}});
  expect_corrupt(heads.scores("induction"), "/detectors/induction/scores");
  expect_corrupt(heads.ablation("zero"), "/ablation/zero/effects");
  expect_corrupt(heads.attention("map"), "/attention/map/heads");
}

TEST_F(Contradiction, WhereNoSizeIsSaidNoneIsAskedFor) {
  const Attributes several = {{"name", "a, b"}, {"models", std::vector<std::string>{"a", "b"}}};
  const Attributes same = {{"n_layers", sample::kLayers}, {"n_heads", sample::kHeads}};
  for (const Attributes& model : {Attributes(), several, same}) {
    const ResultReader in = file(model);
    expect_read(in.scores("induction"));
    expect_read(in.ablation("zero"));
    expect_read(in.patching("resid_pre"));
    expect_read(in.attention("map"));
  }
}

TEST_F(Contradiction, PairsArePartsOfTheirPatching) {
  expect_read(pairs(3, {3, sample::kLayers, 2}).patching("resid_pre")); // K/V heads
  expect_read(pairs(3, {3, sample::kLayers, sample::kHeads}, sample::kHeads).patching("resid_pre"));
  expect_corrupt(pairs(2, {3, sample::kLayers, 2}).patching("resid_pre"), "/patching/resid_pre/pair_clean");
  for (const std::vector<std::int64_t>& patched :
       {std::vector<std::int64_t>{3, sample::kLayers, 1}, {3, sample::kLayers + 1, 2}, {4, sample::kLayers, 2}})
    expect_corrupt(pairs(3, patched).patching("resid_pre"), "/patching/resid_pre/pair_patched");
  expect_corrupt(pairs(3, {3, sample::kLayers, 3}, 3).patching("resid_pre"), "/patching/resid_pre/restored");
}

TEST_F(Contradiction, AGroupOfNothingIsNoPatching) {
  const ResultReader in = file({}, [](ResultWriter& out) { return out.set_attributes("/patching/empty", {}); });
  expect_corrupt(in.patching("empty"), "/patching/empty/restored");
  EXPECT_EQ(in.patching("none").error().code, ErrorCode::not_found);
}

TEST_F(Contradiction, WhatWasReplacedIsOfThePromptsAblated) {
  const ResultReader in = file({}, [](ResultWriter& out) {
    const ArraySpec replaced{DType::float64, {{"prompt", {}}}, {2}, "1", "share replaced", {}, {}};
    return out.add_array("/ablation/zero/replaced", replaced, std::vector<double>{0.5, 0.5});
  });
  expect_corrupt(in.ablation("zero"), "/ablation/zero/replaced"); // of three prompts
}

} // namespace
} // namespace headscope::store
