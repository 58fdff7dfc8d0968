using System.Text;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Terminal;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>Reads the paths that a user, script or hook names, in each of their forms.</summary>
internal static class PathList
{
    /// <summary>No name is as long, and no list has so many empty lines; it stops at a device that never ends.</summary>
    private const int MaxCharacters = 1 << 20;

    private const string StorePrefix = StorePath.StoreDir + "/";

    // find -print0 ends a name with NUL.
    private static readonly char[] Ends = ['\n', '\r', '\0'];

    /// <summary>All paths of standard input, one a line.</summary>
    /// <exception cref="CliException">Standard input is closed, or cannot be read.</exception>
    public static async Task<IReadOnlyList<string>> ReadAsync(CancellationToken cancellationToken)
    {
        var names = new List<string>();
        // The read cannot be interrupted, so the wait for it is.
        await Task.Run(() => Read(names.Add), CancellationToken.None).WaitAsync(cancellationToken);
        return names;
    }

    /// <summary>Reads standard input to its end, and gives each path as soon as its line has come. Blocks the calling thread.</summary>
    /// <exception cref="CliException">Standard input is closed, or cannot be read.</exception>
    public static void Read(Action<string> take)
    {
        if (StandardStreams.InputIsClosed)
            throw new CliException(ExitCodes.Usage, "Standard input is closed: --stdin needs one with the paths, one a line.");
        try
        {
            using var input = new StreamReader(Console.OpenStandardInput());
            Read(input, take);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(ExitCodes.Usage, $"Standard input cannot be read: {e.Message}", e);
        }
    }

    internal static void Read(TextReader input, Action<string> take)
    {
        var line = new StringBuilder();
        var sinceName = 0;
        var buffer = new char[32 << 10];
        while (input.Read(buffer, 0, buffer.Length) is var count and > 0)
        {
            var rest = buffer.AsSpan(0, count);
            while (rest.IndexOfAny(Ends) is var end and >= 0)
            {
                line.Append(rest[..end]);
                rest = rest[(end + 1)..];
                sinceName = Take() ? 0 : sinceName + end + 1;
            }

            line.Append(rest);
            sinceName += rest.Length;
            if (sinceName > MaxCharacters)
                throw new CliException(ExitCodes.Usage,
                    $"Standard input has {MaxCharacters >> 20} million characters without a path: that is no list of paths.");
        }

        Take();

        bool Take()
        {
            var text = line.ToString().Trim();
            line.Clear();
            foreach (var name in text.Length == 0 ? [] : Words(text))
                take(name);
            return text.Length > 0;
        }
    }

    /// <summary>Splits one word into several store paths, as a post-build hook passes a quoted <c>"$OUT_PATHS"</c>.</summary>
    public static IEnumerable<string> Words(string name)
    {
        var words = name.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return words.Length > 1 && words.All(word => word.StartsWith(StorePrefix, StringComparison.Ordinal)) ? words : [name];
    }
}
