using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace OrleansCache.Nix;

public sealed partial record NarInfo
{
    /// <summary>One pass over the lines; each field but Sig may occur once.</summary>
    private struct Parser
    {
        private readonly HashSet<string> _seen = new(StringComparer.Ordinal);
        private readonly List<string> _signatures = [];
        private StorePath? _path, _deriver;
        private string? _url, _compression, _system;
        private ContentAddress? _ca;
        private Sha256Hash? _fileHash, _narHash;
        private long? _fileSize, _narSize;
        private List<StorePath> _references = [];

        public Parser()
        {
        }

        public bool TryParse(string text, [NotNullWhen(true)] out NarInfo? info, [NotNullWhen(false)] out string? error)
        {
            info = null;
            error = null;
            var number = 0;
            for (var rest = text.AsSpan(); !rest.IsEmpty;)
            {
                number++;
                var end = rest.IndexOf('\n');
                var line = end < 0 ? rest : rest[..end];
                rest = end < 0 ? [] : rest[(end + 1)..];
                error = Read(line.TrimEnd('\r'));
                if (error is not null)
                {
                    error = $"line {number}: {error}";
                    return false;
                }
            }

            error = Missing();
            if (error is not null)
                return false;
            info = new NarInfo
            {
                StorePath = _path!.Value,
                Url = _url!,
                Compression = _compression ?? "bzip2",
                FileHash = _fileHash,
                FileSize = _fileSize,
                NarHash = _narHash!.Value,
                NarSize = _narSize!.Value,
                References = _references,
                Deriver = _deriver,
                System = _system,
                Signatures = _signatures,
                Ca = _ca,
            };
            return true;
        }

        private readonly string? Missing() =>
            _path is null ? "there is no StorePath"
            : _url is null ? "there is no URL"
            : _narHash is null ? "there is no NarHash"
            : _narSize is null ? "there is no NarSize"
            : null;

        private string? Read(ReadOnlySpan<char> line)
        {
            if (HasControl(line))
                return "it has a control character";
            var colon = line.IndexOf(':');
            if (colon <= 0)
                return $"'{line}' is not 'Name: value'";
            var name = line[..colon].ToString();
            var value = line[(colon + 1)..].Trim(' ');
            if (name != "Sig" && !_seen.Add(name))
                return $"{name} stands twice";
            switch (name)
            {
                case "StorePath": return Path(name, value, out _path);
                case "URL": return Text(name, value, out _url);
                case "Compression":
                    _compression = value.IsEmpty ? null : value.ToString();
                    return null;
                case "FileHash": return Hash(name, value, out _fileHash);
                case "FileSize": return Size(name, value, out _fileSize);
                case "NarHash": return Hash(name, value, out _narHash);
                case "NarSize":
                    return Size(name, value, out _narSize) ?? (_narSize == 0 ? "NarSize is zero, and no NAR is empty" : null);
                case "References": return ReadReferences(value);
                case "Deriver":
                    return value.IsEmpty || value is "unknown-deriver" ? null : Path(name, value, out _deriver);
                case "System":
                    _system = value.IsEmpty ? null : value.ToString();
                    return null;
                case "Sig":
                    var problem = Text(name, value, out var signature);
                    if (problem is null)
                        _signatures.Add(signature!);
                    return problem;
                case "CA":
                    _ca = ContentAddress.TryParse(value, out var address) ? address : null;
                    return _ca is null && !value.IsEmpty ? $"CA: '{value}' is not a content address: {ContentAddress.Rule}" : null;
                default: return null; // a field of a later Nix
            }
        }

        private string? ReadReferences(ReadOnlySpan<char> value)
        {
            foreach (var range in value.Split(' '))
            {
                if (value[range].IsEmpty)
                    continue;
                if (Path("References", value[range], out var reference) is { } problem)
                    return problem;
                _references.Add(reference!.Value);
            }

            return null;
        }

        private static string? Path(string name, ReadOnlySpan<char> value, out StorePath? path)
        {
            path = StorePath.TryParse(value, out var parsed) ? parsed : null;
            return path is null ? $"{name}: '{value}' is not a store path" : null;
        }

        private static string? Hash(string name, ReadOnlySpan<char> value, out Sha256Hash? hash)
        {
            hash = Sha256Hash.TryParse(value, out var parsed) ? parsed : null;
            return hash is null ? $"{name}: '{value}' is not a SHA-256" : null;
        }

        private static string? Size(string name, ReadOnlySpan<char> value, out long? size)
        {
            size = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var parsed) && parsed <= MaxNarSize
                ? parsed : null;
            return size is null ? $"{name}: '{value}' is not a number of bytes up to {MaxNarSize}" : null;
        }

        private static string? Text(string name, ReadOnlySpan<char> value, out string? text)
        {
            text = value.IsEmpty ? null : value.ToString();
            return text is null ? $"{name} is empty" : null;
        }
    }
}
