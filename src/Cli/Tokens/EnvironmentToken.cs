using OrleansCache.Cli.Http;

namespace OrleansCache.Cli.Tokens;

/// <summary>A token in a variable, as GitLab's <c>id_tokens</c> leave it there. It never changes while the program runs.</summary>
internal sealed class EnvironmentToken(string variable, string text) : TokenSource
{
    public override string Name => $"the variable {variable}";

    public override ValueTask<string?> GetAsync(CancellationToken cancellationToken) =>
        ValueTask.FromResult<string?>(RenewableToken.Check(text, $"The variable {variable}"));
}
