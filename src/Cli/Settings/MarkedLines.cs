using System.Text;
using System.Text.RegularExpressions;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Settings;

/// <summary>
/// A file of Nix (nix.conf, netrc) of which this program writes a part: the lines between two comments that name the server and the cache.
/// All else in it stays as it is, byte by byte.
/// </summary>
/// <param name="part">The name of the part, see <see cref="PartOf"/>.</param>
internal sealed partial class MarkedLines(string path, string part)
{
    private const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode ForAll = Own | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private readonly string _begin = $"# orleans-cache {part}: begin ('orleans-cache use --remove' takes this out)";
    private readonly string _end = $"# orleans-cache {part}: end";

    public string Path => path;

    /// <summary>The name of the part for a cache of a server.</summary>
    public static string PartOf(Uri server, string cache) => cache == ServerSettings.DefaultCache ? LoginStore.KeyOf(server)
        : $"{LoginStore.KeyOf(server)} cache {cache}";

    /// <summary>The parts of this program in the file, for whatever caches, each with its lines.</summary>
    /// <exception cref="CliException">It cannot be read, or its comments are damaged.</exception>
    public IReadOnlyList<(string Part, string Lines)> Parts() =>
        [.. Begin().Matches(Encoding.UTF8.GetString(Read())).Select(m => m.Groups["part"].Value).Distinct()
            .Select(name => (name, new MarkedLines(path, name).Texts().Own))];

    /// <summary>The file that a link leads to.</summary>
    /// <exception cref="CliException">The links lead nowhere.</exception>
    public string Target => Carry(() => RealPath.Of(path), "read", ExitCodes.Usage);

    /// <summary>The whole file as it is now; empty when it is not there.</summary>
    /// <exception cref="CliException">It cannot be read.</exception>
    public byte[] Read() => Carry(() => RealPath.Of(path) is var real && File.Exists(real) ? File.ReadAllBytes(real) : [], "read",
        ExitCodes.Usage);

    /// <summary>The lines of others, and those of this program for this server, without their comments.</summary>
    /// <exception cref="CliException">It cannot be read, or its comments are damaged.</exception>
    public (string Others, string Own) Texts()
    {
        var text = Read();
        var (others, own) = Split(text);
        return (Encoding.UTF8.GetString(others), Encoding.UTF8.GetString(own));
    }

    /// <summary>The file with these lines in it; with none it is as it was before this program came.</summary>
    /// <exception cref="CliException">It cannot be read, or its comments are damaged.</exception>
    public byte[] With(IReadOnlyList<string> lines)
    {
        var others = Split(Read()).Others;
        if (lines.Count == 0)
            return others;
        var lineBreak = others.Length > 0 && others[^1] != '\n' ? "\n" : "";
        return [.. others, .. Encoding.UTF8.GetBytes($"{lineBreak}{_begin}\n{string.Join('\n', lines)}\n{_end}\n")];
    }

    /// <summary>Replaces the file as a whole. A new one gets its folder, and is its owner's alone when it has secrets.</summary>
    /// <exception cref="CliException">It cannot be written.</exception>
    public void Write(ReadOnlyMemory<byte> text, bool isSecret) => Carry(() =>
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(RealPath.Of(path))!);
        PrivateFile.Replace(path, text.Span, isSecret ? Own : ForAll, isSecret);
        return true;
    }, "written", ExitCodes.Failed);

    [GeneratedRegex(@"^# orleans-cache (?<part>\S+( cache \S+)?): begin \(", RegexOptions.Multiline)]
    private static partial Regex Begin();

    private (byte[] Others, byte[] Own) Split(byte[] text)
    {
        var own = new List<byte>();
        while (Find(text, _begin, 0) is var begin and >= 0)
        {
            var (from, end) = (AfterLine(text, begin), Find(text, _end, begin));
            if (end < 0 || Find(text, _begin, from) is var next and >= 0 && next < end)
                throw new CliException(ExitCodes.Usage,
                    $"{path} has '{_begin}' and not the line '{_end}': put it back, or delete the part by hand.");
            own.AddRange(text[from..end]);
            text = [.. text[..begin], .. text[AfterLine(text, end)..]];
        }

        return (text, [.. own]);
    }

    // Where a line begins that is this one; -1: there is none.
    private static int Find(byte[] text, string line, int from)
    {
        var wanted = Encoding.UTF8.GetBytes(line);
        for (var at = from; text.AsSpan(at).IndexOf(wanted) is var found and >= 0; at += found + 1)
        {
            var (begin, end) = (at + found, at + found + wanted.Length);
            if ((begin == 0 || text[begin - 1] == '\n') && (end == text.Length || text[end] is (byte)'\n' or (byte)'\r'))
                return begin;
        }

        return -1;
    }

    private static int AfterLine(byte[] text, int at) =>
        text.AsSpan(at).IndexOf((byte)'\n') is >= 0 and var end ? at + end + 1 : text.Length;

    private T Carry<T>(Func<T> work, string participle, int exitCode)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(exitCode, $"{path} cannot be {participle}: {e.Message}", e);
        }
    }
}
