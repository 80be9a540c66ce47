// SPDX-License-Identifier: GPL-3.0-or-later
// What is written is what is read, and what cannot be read says why.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/store/sample_writer.h"
#include "tests/store/scratch.h"

namespace headscope::store {
namespace {

using testing::HasSubstr;
using testing::NanSensitiveFloatEq;
using testing::Pointwise;

class RoundTrip : public testing::Test {
protected:
  void SetUp() override {
    auto out = ResultWriter::create(file, {false, sample::provenance(), 4});
    ASSERT_TRUE(out.ok()) << out.error().to_string();
    const Status written = sample::write_all(*out);
    ASSERT_TRUE(written.ok()) << written.error().to_string();
    const Status committed = out->commit();
    ASSERT_TRUE(committed.ok()) << committed.error().to_string();
  }

  ResultReader open() const {
    auto in = ResultReader::open(file);
    EXPECT_TRUE(in.ok()) << in.error().to_string();
    return std::move(in).value();
  }

  Scratch scratch;
  std::string file = scratch / "run.h5";
};

void expect_same(const Attributes& actual, const Attributes& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_EQ(actual[i].name, expected[i].name);
    EXPECT_EQ(actual[i].value, expected[i].value) << actual[i].name;
  }
}

TEST_F(RoundTrip, RootModelAndOptions) {
  const ResultReader in = open();
  EXPECT_EQ(in.info().format_version, kFormatVersion);
  EXPECT_TRUE(in.info().complete);
  EXPECT_EQ(in.info().provenance.command_line, sample::provenance().command_line);
  EXPECT_EQ(in.info().provenance.seeds, sample::provenance().seeds);
  expect_same(in.model().value(), sample::model());
  EXPECT_EQ(std::get<double>(*find_attribute(in.options("induction").value(), "scale")), 0.5);
  EXPECT_EQ(std::get<bool>(*find_attribute(in.options("induction").value(), "strict")), false);
  EXPECT_EQ(in.options("other").error().code, ErrorCode::not_found);
}

TEST_F(RoundTrip, Prompt) {
  const Prompt expected = sample::prompt();
  const Prompt prompt = open().prompt("ioi-1").value();
  EXPECT_EQ(prompt.text, expected.text);
  EXPECT_EQ(prompt.token_ids, expected.token_ids);
  EXPECT_EQ(prompt.token_pieces, expected.token_pieces);
  EXPECT_EQ(prompt.token_texts[3], R"(\xF0\x9F)");
  expect_same(prompt.attributes, expected.attributes);
}

TEST_F(RoundTrip, Scores) {
  const DetectorScores expected = sample::scores();
  const DetectorScores scores = open().scores("induction").value();
  EXPECT_EQ(scores.n_layers, sample::kLayers);
  EXPECT_EQ(scores.n_heads, sample::kHeads);
  EXPECT_THAT(scores.scores, Pointwise(NanSensitiveFloatEq(), expected.scores));
  EXPECT_EQ(scores.threshold, expected.threshold);
  EXPECT_EQ(scores.heads, expected.heads);
  EXPECT_EQ(scores.description, expected.description);
  expect_same(scores.attributes, expected.attributes);
}

TEST_F(RoundTrip, Ablation) {
  const Ablation ablation = open().ablation("zero").value();
  EXPECT_EQ(ablation.spec.prompts, sample::ablation().prompts);
  EXPECT_EQ(ablation.spec.method, "zero");
  const auto at = [&](int p, int l, int h) {
    return ablation.effects[static_cast<std::size_t>((p * sample::kLayers + l) * sample::kHeads + h)];
  };
  EXPECT_EQ(at(1, 1, 3), sample::effect(1, 1, 3));
  EXPECT_TRUE(std::isnan(at(1, 2, 0)));
  EXPECT_TRUE(std::isnan(ablation.clean[2]));
  EXPECT_EQ(ablation.mean[1], (sample::effect(0, 0, 1) + sample::effect(1, 0, 1)) / 2);
  EXPECT_EQ(ablation.mean[2 * sample::kHeads], sample::effect(0, 2, 0)); // of the one prompt measured
}

TEST_F(RoundTrip, Patching) {
  const Patching expected = sample::patching();
  const Patching patching = open().patching("resid_pre").value();
  EXPECT_EQ(patching.restored, expected.restored);
  EXPECT_EQ(patching.spec.axes, expected.spec.axes);
  EXPECT_EQ(patching.spec.shape, expected.spec.shape);
  EXPECT_EQ(patching.spec.clean, 3.5);
  EXPECT_EQ(patching.spec.corrupt, -1.25);
  EXPECT_EQ(patching.spec.corrupt_tokens, expected.spec.corrupt_tokens);
}

TEST_F(RoundTrip, AttentionTiles) {
  const ResultReader in = open();
  const AttentionSpec spec = in.attention("map").value();
  EXPECT_EQ(spec.heads, sample::attention().heads);
  EXPECT_EQ(spec.n_query, sample::kTokens);
  EXPECT_EQ(spec.dtype, DType::float16);
  const std::vector<float> tile = in.attention_tile("map", 1, 250, 260, 100, 290).value();
  ASSERT_EQ(tile.size(), 10U * 190U);
  for (int q = 250; q < 260; ++q) {
    for (int k = 100; k < 290; ++k) {
      const float value = tile[static_cast<std::size_t>((q - 250) * 190 + k - 100)];
      if (q >= 256) {
        ASSERT_TRUE(std::isnan(value)) << q;
      } else {
        ASSERT_NEAR(value, sample::weight(1, q, k), 3e-4) << q << " " << k;
      }
    }
  }
  EXPECT_EQ(in.attention_tile("map", 2, 0, 1, 0, 1).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(in.attention_tile("map", 0, 0, 301, 0, 1).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(in.attention_tile("other", 0, 0, 1, 0, 1).error().code, ErrorCode::not_found);
}

TEST_F(RoundTrip, GraphArraysAndTables) {
  const ResultReader in = open();
  const Graph graph = in.graph("ioi").value();
  ASSERT_EQ(graph.nodes.size(), 3U);
  EXPECT_EQ(graph.nodes[1].name, "0.1");
  EXPECT_EQ(graph.nodes[2].layer, -1);
  EXPECT_EQ(graph.edges[1].kind, "out");
  EXPECT_EQ(graph.edges[1].score, -0.125);
  EXPECT_EQ(graph.nodes[1].score, 0.75);
  EXPECT_TRUE(std::isnan(graph.nodes[0].score));
  EXPECT_TRUE(graph.nodes[1].in_circuit && graph.edges[0].in_circuit);
  EXPECT_FALSE(graph.nodes[0].in_circuit || graph.edges[1].in_circuit);
  EXPECT_EQ(graph.units, "logit");
  EXPECT_EQ(graph.task, "indirect object");
  const Array lengths = in.array("/analysis/lengths").value();
  EXPECT_THAT(lengths.values, testing::ElementsAre(4.0, 300.0));
  EXPECT_EQ(lengths.spec.dtype, DType::int32);
  EXPECT_THAT(lengths.spec.axes[0].labels, testing::ElementsAre("short", "long"));
  EXPECT_EQ(lengths.spec.units, "token");
  const Table runs = in.table(evidence_path("induction", "runs")).value();
  ASSERT_EQ(runs.columns.size(), 3U);
  EXPECT_EQ(runs.columns[1].name, "recall");
  EXPECT_EQ(std::get<std::vector<std::string>>(runs.columns[2].values)[1], "eat a sandwich");
}

TEST_F(RoundTrip, TreeListsEverything) {
  const ResultReader in = open();
  const Node tree = in.tree().value();
  std::vector<std::string> parts;
  for (const Node& node : tree.children)
    parts.push_back(node.name);
  EXPECT_THAT(parts, testing::ElementsAre("model", "options", "prompts", "detectors", "analysis", "ablation",
                                          "patching", "attention", "graph"));
  EXPECT_THAT(in.list("/detectors").value(), testing::ElementsAre("induction"));
  EXPECT_TRUE(in.list("/nothing/here").value().empty());
  const nlohmann::json json = to_json(tree);
  const std::string text = json.dump();
  EXPECT_THAT(text, HasSubstr("\"shape\":[2,300,300]"));
  EXPECT_THAT(text, HasSubstr("\"dtype\":\"float16\""));
  EXPECT_THAT(text, HasSubstr("\"axes\":[\"head\",\"query\",\"key\"]"));
  EXPECT_THAT(text, HasSubstr("\"threshold\":0.6"));
  EXPECT_THAT(text, testing::Not(HasSubstr("DIMENSION_L")));
}

TEST(Writer, KeepsTextThatIsNotText) {
  Scratch scratch;
  auto out = ResultWriter::create(scratch / "a.h5", {});
  ASSERT_TRUE(out.ok());
  Prompt prompt{.id = "p",
                .text = std::string("a\0b\xff", 4),
                .token_ids = {},
                .token_pieces = {},
                .token_texts = {},
                .attributes = {}};
  ASSERT_TRUE(out->add_prompt(prompt).ok());
  ASSERT_TRUE(out->commit().ok());
  auto in = ResultReader::open(scratch / "a.h5");
  ASSERT_TRUE(in.ok()) << in.error().to_string();
  EXPECT_EQ(in->strings("/prompts/p/text").value().front(), "a\u2400b\ufffd");
  EXPECT_EQ(in->prompt("p").value().text, prompt.text);
}

TEST(Writer, HoldsLongAttributes) {
  Scratch scratch;
  auto out = ResultWriter::create(scratch / "a.h5", {});
  ASSERT_TRUE(out.ok());
  const std::vector<double> many(20000, 0.5); // 160 kB, beyond HDF5's oldest format
  ASSERT_TRUE(out->set_options("long", {{"many", many}, {"text", std::string(100000, 'x')}}).ok());
  ASSERT_TRUE(out->commit().ok());
  const Attributes back = ResultReader::open(scratch / "a.h5").value().options("long").value();
  EXPECT_EQ(std::get<std::vector<double>>(back[0].value), many);
  EXPECT_EQ(std::get<std::string>(back[1].value).size(), 100000U);
}

TEST(Writer, RefusesWhatDoesNotFit) {
  Scratch scratch;
  auto created = ResultWriter::create(scratch / "a.h5", {});
  ASSERT_TRUE(created.ok());
  ResultWriter& out = *created;
  DetectorScores scores = sample::scores();
  scores.scores.pop_back();
  const Status few = out.add_scores(scores);
  EXPECT_EQ(few.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(few.error().to_string(), HasSubstr("a.h5: /detectors/induction/scores: "));
  Prompt prompt = sample::prompt("a/b");
  EXPECT_EQ(out.add_prompt(prompt).error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(out.add_prompt(sample::prompt()).ok());
  EXPECT_EQ(out.add_prompt(sample::prompt()).error().code, ErrorCode::already_exists);
  auto map = out.begin_attention(sample::attention());
  ASSERT_TRUE(map.ok());
  const std::vector<float> row(sample::kTokens, 0.0F);
  EXPECT_EQ(map->write_rows(2, 0, row).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(map->write_rows(0, sample::kTokens, row).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(map->write_rows(0, 0, std::span(row).first(10)).error().code, ErrorCode::invalid_argument);
  const ArraySpec small{DType::int32, {{"row", {}}}, {1}, "1", "x", {}, {}};
  EXPECT_EQ(out.add_array("/x", small, std::vector<std::int64_t>{std::int64_t{1} << 40}).error().code,
            ErrorCode::invalid_argument);
  EXPECT_EQ(out.set_attributes("", {}).error().code, ErrorCode::invalid_argument);
  // None of these errors spoils the file.
  EXPECT_TRUE(out.commit().ok());
  EXPECT_EQ(map->write_rows(0, 0, row).error().code, ErrorCode::internal);
  EXPECT_EQ(out.add_prompt(sample::prompt("p2")).error().code, ErrorCode::internal);
  EXPECT_TRUE(ResultReader::open(scratch / "a.h5").ok());
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST_F(RoundTrip, TruncatedFileIsOneClearError) {
  const std::string bytes = bytes_of(file);
  for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{40}, bytes.size() / 2, bytes.size() - 1}) {
    const std::string cut = scratch / "cut.h5";
    std::ofstream(cut, std::ios::binary | std::ios::trunc).write(bytes.data(), static_cast<std::streamsize>(size));
    auto in = ResultReader::open(cut);
    ASSERT_FALSE(in.ok()) << size;
    EXPECT_EQ(in.error().code, ErrorCode::corrupt) << size;
    EXPECT_THAT(in.error().to_string(), HasSubstr("cut.h5"));
    EXPECT_EQ(in.error().to_string().find('\n'), std::string::npos);
  }
  EXPECT_EQ(ResultReader::open(scratch / "none.h5").error().code, ErrorCode::not_found);
  EXPECT_EQ(ResultReader::open(scratch.path()).error().code, ErrorCode::invalid_argument);
}

// Makes a file as older versions wrote it: the last 24 to 32 bytes before the magic say how long the HDF5 part is.
void without_checksums(const std::string& path) {
  const std::string bytes = bytes_of(path);
  std::uint64_t content = 0;
  std::memcpy(&content, bytes.data() + bytes.size() - 32, 8);
  ASSERT_LT(content, bytes.size());
  std::filesystem::resize_file(path, content);
}

// Overwrites every occurrence of the bytes with as many others.
void corrupt(const std::string& path, const std::string& from, const std::string& to) {
  std::string bytes = bytes_of(path);
  ASSERT_EQ(from.size(), to.size());
  ASSERT_NE(bytes.find(from), std::string::npos);
  for (std::size_t at = 0; (at = bytes.find(from, at)) != std::string::npos; at += to.size()) {
    bytes.replace(at, from.size(), to);
  }
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

TEST_F(RoundTrip, ForeignFileIsOneClearError) {
  without_checksums(file);
  corrupt(file, "headscope-result", "something-else!!");
  auto in = ResultReader::open(file);
  ASSERT_FALSE(in.ok());
  EXPECT_EQ(in.error().code, ErrorCode::unsupported);
  EXPECT_THAT(in.error().to_string(), HasSubstr("run.h5: /@format: "));
}

TEST(Reader, FutureVersionIsOneClearError) {
  Scratch scratch;
  auto out = ResultWriter::create(scratch / "a.h5", {});
  ASSERT_TRUE(out.ok());
  ASSERT_TRUE(out->set_attributes("/", {{"format_version", 99}}).ok());
  ASSERT_TRUE(out->commit().ok());
  auto in = ResultReader::open(scratch / "a.h5");
  ASSERT_FALSE(in.ok());
  EXPECT_EQ(in.error().code, ErrorCode::unsupported);
  EXPECT_THAT(in.error().to_string(), HasSubstr("/@format_version: is version 99"));
}

TEST(Reader, DamagedTileNamesItsDataset) {
  Scratch scratch;
  auto out = ResultWriter::create(scratch / "a.h5", {false, {}, 6});
  ASSERT_TRUE(out.ok());
  auto map = out->begin_attention({"p", {{0, 0}}, 256, 256, DType::float32, {}});
  ASSERT_TRUE(map.ok());
  std::vector<float> rows;
  for (int i = 0; i < 256 * 256; ++i)
    rows.push_back(std::sin(static_cast<float>(i) * static_cast<float>(i)));
  ASSERT_TRUE(map->write_rows(0, 0, rows).ok());
  ASSERT_TRUE(out->commit().ok());
  std::string bytes = bytes_of(scratch / "a.h5");
  ASSERT_GT(bytes.size(), 150000U); // most of it is the tile
  for (std::size_t i = bytes.size() / 2; i < bytes.size() / 2 + 64; ++i)
    bytes[i] = static_cast<char>(~bytes[i]);
  std::ofstream(scratch / "a.h5", std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  // With checksums the whole file is refused; without, the tile is when it is unpacked.
  for (const bool checksums : {true, false}) {
    if (!checksums) without_checksums(scratch / "a.h5");
    auto in = ResultReader::open(scratch / "a.h5");
    ASSERT_FALSE(in.ok());
    EXPECT_EQ(in.error().code, ErrorCode::corrupt);
    EXPECT_THAT(in.error().to_string(), HasSubstr("a.h5: /attention/p/pattern: "));
    auto here = ResultReader::open_here(scratch / "a.h5");
    ASSERT_TRUE(here.ok());
    auto tile = here->attention_tile("p", 0, 0, 256, 0, 256);
    ASSERT_FALSE(tile.ok());
    EXPECT_EQ(tile.error().code, ErrorCode::corrupt);
    EXPECT_THAT(tile.error().to_string(), HasSubstr("a.h5: /attention/p/pattern: "));
  }
}

} // namespace
} // namespace headscope::store
