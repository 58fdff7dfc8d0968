using System.Text;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Terminal;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Store;

/// <summary>Reads the paths that a user, script or hook names, in each of their forms.</summary>
internal static class PathList
{
    /// <summary>More than a push's hundred thousand paths need; it stops at a device that never ends.</summary>
    private const int MaxCharacters = 64 << 20;

    private const string StorePrefix = StorePath.StoreDir + "/";

    // find -print0 ends a name with NUL.
    private static readonly char[] Ends = ['\n', '\r', '\0'];

    /// <summary>All paths of standard input, one a line.</summary>
    /// <exception cref="CliException">Standard input is closed, or cannot be read.</exception>
    public static async Task<IEnumerable<string>> ReadAsync(CancellationToken cancellationToken)
    {
        if (StandardStreams.InputIsClosed)
            throw new CliException(ExitCodes.Usage, "Standard input is closed: --stdin needs one with the paths, one a line.");
        string text;
        try
        {
            // The read cannot be interrupted, so the wait for it is.
            text = await Task.Run(Read, CancellationToken.None).WaitAsync(cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(ExitCodes.Usage, $"Standard input cannot be read: {e.Message}", e);
        }

        return text.Split(Ends, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).SelectMany(Words);
    }

    private static string Read()
    {
        using var input = new StreamReader(Console.OpenStandardInput());
        var text = new StringBuilder();
        var buffer = new char[32 << 10];
        while (input.Read(buffer) is var count and > 0)
        {
            if (text.Append(buffer, 0, count).Length > MaxCharacters)
                throw new CliException(ExitCodes.Usage,
                    $"Standard input has more than {MaxCharacters >> 20} million characters: that is no list of paths.");
        }

        return text.ToString();
    }

    /// <summary>Splits one word into several store paths, as a post-build hook passes a quoted <c>"$OUT_PATHS"</c>.</summary>
    public static IEnumerable<string> Words(string name)
    {
        var words = name.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return words.Length > 1 && words.All(word => word.StartsWith(StorePrefix, StringComparison.Ordinal)) ? words : [name];
    }
}
