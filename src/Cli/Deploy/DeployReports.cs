using System.Net;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Deploy;

/// <summary>Tells the server what the note has for it. What cannot be told stays there for the next turn.</summary>
internal sealed class DeployReports(DeployPlan plan, Action<string> log)
{
    private string? _said;

    public async Task SendAsync(Func<DeploymentReport, CancellationToken, Task> send, CancellationToken cancellationToken)
    {
        var note = DeployNote.Load(plan.Note);
        if (note.Unsent is not { } report)
            return;
        try
        {
            await send(report, cancellationToken);
            (note.Unsent, note.Reported, _said) = (null, DateTimeOffset.UtcNow, null);
        }
        catch (CacheException e) when (e.Status is HttpStatusCode.NotFound or HttpStatusCode.BadRequest)
        {
            // The same report would be refused again.
            log($"The report of the deployment is dropped: {e.Message}");
            (note.Unsent, note.Reported) = (null, DateTimeOffset.UtcNow);
        }
        catch (Exception e) when (e is CliException or CacheException or HttpRequestException or IOException)
        {
            if (_said != e.Message)
                log($"The report of the deployment is sent with the next turn: {e.Message}");
            _said = e.Message;
            return;
        }

        note.Save(plan.Note);
    }
}
