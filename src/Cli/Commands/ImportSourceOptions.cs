using System.CommandLine;
using System.Net.Http.Headers;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Import;
using OrleansCache.Cli.Store;
using OrleansCache.Nix;

namespace OrleansCache.Cli.Commands;

/// <summary>What is taken from a source, and whom to believe.</summary>
internal sealed class ImportSourceOptions
{
    private readonly Option<string[]> _keys = new("--source-key")
    {
        Description = "A key whose signatures are believed, NAME:BASE64, or a file of such keys. May be given several times.",
        HelpName = "KEY",
    };

    private readonly Option<bool> _noCheck = new("--no-check-signatures") { Description = "Believe whatever the source says." };

    private readonly Option<string[]> _paths = new("--path")
    {
        Description = "Take this path and all that it needs, instead of all that there is: a path, its base name or hash. May be given " +
            "several times.",
        HelpName = "PATH",
    };

    private readonly Option<string?> _pathsFrom = new("--paths-from")
    {
        Description = "A file with such paths, one a line; - is standard input.",
        HelpName = "FILE",
    };

    private readonly Option<bool> _pins = new("--pins") { Description = "Take the pins of the source over, too." };

    private readonly Option<string[]> _pin = new("--pin")
    {
        Description = "Take this pin of the source over; of a source that cannot be listed the only way. May be given several times.",
        HelpName = "NAME",
    };

    private readonly Option<bool> _movePins = new("--move-pins")
    {
        Description = "Move a pin that is on another path in the cache; without it such a pin stays.",
    };

    private readonly Option<bool> _noLogs = new("--no-logs") { Description = "Do not take build logs over." };

    private readonly Option<bool> _noRealisations =
        new("--no-realisations") { Description = "Do not take the realisations of content-addressed derivations over." };

    private readonly Option<string?> _tokenFile = new("--source-token-file")
    {
        Description = "A file with what the source asks for over HTTP: USER:PASSWORD, or a token.",
        HelpName = "FILE",
    };

    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Change nothing; say what would be taken over." };

    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_keys, _noCheck, _paths, _pathsFrom, _pins, _pin, _movePins, _noLogs, _noRealisations, _tokenFile,
            _dryRun])
            command.Options.Add(option);
        command.Validators.Add(result =>
        {
            if (result.GetResult(_keys) is not null && result.GetResult(_noCheck) is not null)
                result.AddError("--source-key says whom to believe, and --no-check-signatures that it does not matter: one of the two.");
        });
    }

    /// <exception cref="CliException">An option does not fit the source.</exception>
    public ImportOptions Of(ParseResult result, SourceAddress address)
    {
        var named = result.GetValue(_paths) is { Length: > 0 } || result.GetValue(_pathsFrom) is not null;
        List<StorePathHash> roots = [.. (result.GetValue(_paths) ?? []).SelectMany(PathList.Words).Select(WhyCommand.Hash)];
        if (result.GetValue(_pathsFrom) is { } file)
            Read(file, path => roots.Add(WhyCommand.Hash(path)));
        if (address is SourceAddress.OfUrl)
        {
            if (result.GetValue(_pins))
                throw new CliException(ExitCodes.Usage, "A web server does not tell which pins there are: name them with --pin, or take the " +
                    "bucket or folder behind it as the source.");
            if (!named && result.GetValue(_pin) is not { Length: > 0 })
                throw new CliException(ExitCodes.Usage, "A web server does not tell which paths there are: name some with --path or " +
                    "--paths-from, or take the bucket or folder behind it as the source.");
        }

        return new ImportOptions
        {
            Roots = named ? roots : null,
            Pins = result.GetValue(_pins) ? null : [.. (result.GetValue(_pin) ?? []).Select(PinOptions.Parse)],
            MovePins = result.GetValue(_movePins),
            Logs = !result.GetValue(_noLogs),
            Realisations = !result.GetValue(_noRealisations),
            DryRun = result.GetValue(_dryRun),
        };
    }

    /// <exception cref="CliException">A key is none.</exception>
    public SourceTrust Trust(ParseResult result) => new(result.GetValue(_noCheck) ? null
        : [.. (result.GetValue(_keys) ?? []).SelectMany(Keys)]);

    /// <exception cref="CliException">The file cannot be read.</exception>
    public AuthenticationHeaderValue? Authorization(ParseResult result)
    {
        if (result.GetValue(_tokenFile) is not { } file)
            return null;
        var secret = ReadFile("--source-token-file", file).Trim();
        // As Nix sends what it finds in a netrc; of a token alone no server looks at the user.
        return new AuthenticationHeaderValue("Basic",
            Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(secret.Contains(':', StringComparison.Ordinal) ? secret : $"token:{secret}")));
    }

    private static IEnumerable<PublicKey> Keys(string value)
    {
        if (PublicKey.TryParse(value, out var key))
            return [key];
        var file = value.TrimStart('@');
        if (!File.Exists(file))
            throw new CliException(ExitCodes.Usage, $"--source-key '{value}' is neither a public key, NAME:BASE64, nor a file of such keys.");
        return [.. ReadFile("--source-key", file).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(text =>
            PublicKey.TryParse(text, out var one) ? one
                : throw new CliException(ExitCodes.Usage,
                    $"{file} of --source-key has '{Text.Printable(text)}', which is no public key."))];
    }

    private static void Read(string file, Action<string> take)
    {
        if (file == "-")
        {
            PathList.Read(take);
            return;
        }

        using var text = new StringReader(ReadFile("--paths-from", file));
        PathList.Read(text, take);
    }

    private static string ReadFile(string option, string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(ExitCodes.Usage, $"{file} of {option} cannot be read: {e.Message}", e);
        }
    }
}
