using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Tokens;

/// <summary>The token of a file, which may be replaced while the program runs.</summary>
internal sealed class FileToken(string path, string name, TimeProvider time) : RenewableToken(time)
{
    public override string Name => name;

    protected override async Task<string> LoadAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var file = new StreamReader(path);
            // A device file has no end.
            var text = new char[MaxLength + 2];
            return Check(new string(text, 0, await file.ReadBlockAsync(text, cancellationToken)), $"The token file {path}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CliException(ExitCodes.Usage, $"The token file {path} cannot be read: {e.Message}", e);
        }
    }
}
