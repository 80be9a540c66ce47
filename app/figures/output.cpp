// SPDX-License-Identifier: GPL-3.0-or-later
// Turns a scene into the bytes of a file, with the provenance in its metadata.
#include <algorithm>
#include <cmath>

#include <QBuffer>
#include <QImage>
#include <QPageSize>
#include <QPdfWriter>
#include <QSvgGenerator>

#include "app/figures/files.h"
#include "app/figures/paint.h"

namespace headscope::figures {

namespace {

constexpr double max_pixels = 400e6;

struct Labels {
  QString title, description;
};

const std::string& title_of(const Figure& figure) {
  return std::visit([](const auto& kind) -> const std::string& { return kind.title; }, figure);
}

const std::string& subtitle_of(const Figure& figure) {
  return std::visit([](const auto& kind) -> const std::string& { return kind.subtitle; }, figure);
}

QString q(const std::string& text) { return QString::fromStdString(clean_text(text)); }

QString provenance_text(const Provenance& provenance) {
  QString text;
  for (const auto& [key, value] : provenance.entries) {
    text += q(key) + QStringLiteral(": ") + q(value) + QChar(u'\n');
  }
  return text;
}

Result<QImage> draw_image(const Scene& scene, const RenderOptions& options) {
  const double width = std::ceil(scene.width * options.scale);
  const double height = std::ceil(scene.height * options.scale);
  if (width * height > max_pixels || std::max(width, height) > 32767) {
    return make_error(ErrorCode::invalid_argument,
                      "the picture would have " + std::to_string(static_cast<std::int64_t>(width)) + " x " +
                          std::to_string(static_cast<std::int64_t>(height)) + " pixels; lower the width or the scale",
                      {}, "scale");
  }
  QImage image(static_cast<int>(width), static_cast<int>(height), QImage::Format_RGB32);
  if (image.isNull()) return make_error(ErrorCode::out_of_memory, "no memory for the picture; lower the scale");
  image.fill(palette(options.dark).page);
  image.setDevicePixelRatio(options.scale);
  QPainter painter(&image);
  paint_scene({painter, palette(options.dark), options.scale}, scene);
  painter.end();
  return image;
}

// PNG keywords are 1 … 79 Latin-1 characters; anything else moves into the text.
QString png_keyword(const QString& key) {
  QString result;
  for (const QChar c : key) {
    const bool allowed = c.unicode() > 0x20 && c.unicode() < 0x7F && c != u':';
    result += allowed ? c : QChar(u'_');
  }
  return result.isEmpty() ? QStringLiteral("entry") : result.left(79);
}

Result<QByteArray> draw_png(const Scene& scene, const RenderOptions& options, const Labels& labels,
                            const Provenance& provenance) {
  HS_ASSIGN(QImage image, draw_image(scene, options));
  const int per_meter = static_cast<int>(std::lround(96 * options.scale / 0.0254));
  image.setDotsPerMeterX(per_meter);
  image.setDotsPerMeterY(per_meter);
  image.setText(QStringLiteral("Title"), labels.title);
  image.setText(QStringLiteral("Description"), labels.description);
  image.setText(QStringLiteral("Software"), QStringLiteral("Headscope"));
  for (const auto& [key, value] : provenance.entries)
    image.setText(png_keyword(q(key)), q(value));
  QByteArray bytes;
  QBuffer buffer(&bytes);
  buffer.open(QIODevice::WriteOnly);
  if (!image.save(&buffer, "PNG")) return make_error(ErrorCode::internal, "Qt could not encode the PNG");
  return bytes;
}

QByteArray svg_metadata(const Provenance& provenance) {
  QString text = QStringLiteral("<metadata>\n<provenance xmlns=\"https://headscope.org/ns/provenance\">\n");
  for (const auto& [key, value] : provenance.entries) {
    text += QStringLiteral("<entry key=\"%1\">%2</entry>\n").arg(q(key).toHtmlEscaped(), q(value).toHtmlEscaped());
  }
  return (text + QStringLiteral("</provenance>\n</metadata>\n")).toUtf8();
}

Result<QByteArray> draw_svg(const Scene& scene, const RenderOptions& options, const Labels& labels,
                            const Provenance& provenance) {
  QByteArray bytes;
  QBuffer buffer(&bytes);
  buffer.open(QIODevice::WriteOnly);
  QSvgGenerator generator;
  generator.setOutputDevice(&buffer);
  generator.setResolution(96);
  generator.setSize(QSize(static_cast<int>(std::ceil(scene.width)), static_cast<int>(std::ceil(scene.height))));
  generator.setViewBox(QRectF(0, 0, std::ceil(scene.width), std::ceil(scene.height)));
  generator.setTitle(labels.title.toHtmlEscaped()); // Qt writes both as they are
  generator.setDescription(labels.description.toHtmlEscaped());
  QPainter painter;
  if (!painter.begin(&generator)) return make_error(ErrorCode::internal, "Qt could not start the SVG");
  paint_scene({painter, palette(options.dark), options.scale}, scene);
  painter.end();
  const qsizetype at = bytes.indexOf("<defs>");
  if (at < 0) return make_error(ErrorCode::internal, "Qt wrote an SVG of an unknown form");
  bytes.insert(at, svg_metadata(provenance));
  return bytes;
}

QByteArray xmp(const Labels& labels, const Provenance& provenance) {
  const QString text = QStringLiteral(
      "<?xpacket begin=\"\xEF\xBB\xBF\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n"
      "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n"
      "<rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\n"
      "<dc:title><rdf:Alt><rdf:li xml:lang=\"x-default\">%1</rdf:li></rdf:Alt></dc:title>\n"
      "<dc:description><rdf:Alt><rdf:li xml:lang=\"x-default\">%2</rdf:li></rdf:Alt></dc:description>\n"
      "<dc:source>%3</dc:source>\n"
      "</rdf:Description>\n</rdf:RDF></x:xmpmeta>\n<?xpacket end=\"r\"?>\n");
  return text
      .arg(labels.title.toHtmlEscaped(), labels.description.toHtmlEscaped(),
           provenance_text(provenance).toHtmlEscaped())
      .toUtf8();
}

// Qt writes the time of day into the document information; equal input must give equal bytes. The
// replacement is as long as what it replaces, so that the file's offsets hold.
void fix_date(QByteArray& bytes) {
  const QByteArray key("/CreationDate (D:");
  const qsizetype at = bytes.lastIndexOf(key);
  if (at < 0) return;
  const qsizetype from = at + key.size();
  const QByteArray fixed("20000101000000+00'00'");
  for (qsizetype i = 0; from + i < bytes.size() && bytes[from + i] != ')' && i < fixed.size(); ++i) {
    bytes[from + i] = fixed[i];
  }
}

Result<QByteArray> draw_pdf(const Scene& scene, const RenderOptions& options, const Labels& labels,
                            const Provenance& provenance) {
  QByteArray bytes;
  QBuffer buffer(&bytes);
  buffer.open(QIODevice::WriteOnly);
  QPdfWriter writer(&buffer);
  writer.setResolution(96);
  writer.setPageMargins(QMarginsF(0, 0, 0, 0));
  const QSizeF points(std::ceil(scene.width) * 0.75, std::ceil(scene.height) * 0.75);
  writer.setPageSize(QPageSize(points, QPageSize::Point, QString(), QPageSize::ExactMatch));
  writer.setPageMargins(QMarginsF(0, 0, 0, 0));
  writer.setTitle(labels.title);
  writer.setCreator(QStringLiteral("Headscope"));
  writer.setDocumentXmpMetadata(xmp(labels, provenance));
  QPainter painter;
  if (!painter.begin(&writer)) return make_error(ErrorCode::internal, "Qt could not start the PDF");
  paint_scene({painter, palette(options.dark), options.scale}, scene);
  painter.end();
  fix_date(bytes);
  return bytes;
}

} // namespace

const char* to_string(Format format) {
  switch (format) {
  case Format::png: return "png";
  case Format::svg: return "svg";
  case Format::pdf: return "pdf";
  }
  return "png";
}

Result<Format> parse_format(const std::string& name) {
  for (const Format format : {Format::png, Format::svg, Format::pdf}) {
    if (name == to_string(format)) return format;
  }
  return make_error(ErrorCode::invalid_argument, "\"" + name + "\" is no picture format; use png, svg or pdf", {},
                    "format");
}

Result<std::string> render_bytes(const Figure& figure, Format format, const RenderOptions& options,
                                 const Provenance& provenance) {
  const Typeface typeface(options);
  HS_ASSIGN(const Scene scene, make_scene(figure, options));
  const Labels labels{q(title_of(figure)), q(subtitle_of(figure))};
  const auto draw = format == Format::png ? draw_png : format == Format::svg ? draw_svg : draw_pdf;
  HS_ASSIGN(const QByteArray bytes, draw(scene, options, labels, provenance));
  return bytes.toStdString();
}

Result<Pixels> render_rgba(const Figure& figure, const RenderOptions& options) {
  const Typeface typeface(options);
  HS_ASSIGN(const Scene scene, make_scene(figure, options));
  HS_ASSIGN(QImage image, draw_image(scene, options));
  image.convertTo(QImage::Format_RGBA8888);
  Pixels pixels;
  pixels.width = image.width();
  pixels.height = image.height();
  for (int y = 0; y < image.height(); ++y) {
    const std::uint8_t* line = image.constScanLine(y);
    pixels.rgba.insert(pixels.rgba.end(), line, line + static_cast<std::ptrdiff_t>(image.width()) * 4);
  }
  return pixels;
}

Status render(const Figure& figure, const std::string& path, Format format, const RenderOptions& options,
              const Provenance& provenance) {
  HS_TRY(check_writable(path, options.overwrite));
  auto bytes = render_bytes(figure, format, options, provenance);
  if (!bytes.ok()) {
    Error error = std::move(bytes).error();
    error.file = path;
    return error;
  }
  return write_atomically(path, bytes.value(), options.overwrite);
}

} // namespace headscope::figures
